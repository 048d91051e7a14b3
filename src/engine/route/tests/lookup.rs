//! Tables of any kind against a lookup without any index.

use super::*;

/// What the manual says, without any index: the hosts from the most to the least specific, and of
/// the routes of each the best that matches.
fn by_the_manual<'r>(routes: &'r [Route], query: &Query) -> Option<&'r Route> {
    let host = query.host.to_ascii_lowercase();
    let host = host.split(':').next().unwrap();
    let mut hosts: Vec<&str> = routes.iter().map(|route| route.host.as_str()).collect();
    hosts.retain(|rule| match rule.strip_prefix('*') {
        None => *rule == host && !rule.is_empty(),
        Some("") => true,
        Some(end) => host.len() > end.len() && host.ends_with(end) && !host.starts_with('.'),
    });
    hosts.sort_by_key(|rule| (rule.starts_with('*'), std::cmp::Reverse(rule.len())));
    hosts.dedup();
    for host in hosts {
        let of_host = || routes.iter().filter(|route| route.host == host);
        let matching = of_host().filter(|route| {
            let path = route.path_beg.as_deref().unwrap_or("");
            query.path.starts_with(path)
                && route.proto.is_none_or(|proto| proto == query.proto)
                && route.ssl.is_none_or(|ssl| ssl == query.ssl)
        });
        let best = matching.max_by_key(|route| {
            let path = route.path_beg.as_ref().map_or(0, String::len);
            (route.proto.is_some(), path, route.ssl.is_some())
        });
        if best.is_some() || !of_host().any(|route| route.fallthrough) {
            return best;
        }
    }
    None
}

const HOSTS: [&str; 9] = [
    "*",
    "*.test",
    "*.a.test",
    "*.b.a.test",
    "a.test",
    "b.a.test",
    "c.b.a.test",
    "test",
    "",
];
const PATHS: [&str; 6] = ["", "/", "/a", "/a/", "/a/b", "/b"];
const ASKED: [&str; 8] = [
    "a.test",
    "B.a.test:80",
    "c.b.a.test",
    "d.c.b.a.test",
    "x.test",
    "test",
    "x.y",
    ".test",
];

/// Makes up to 24 routes, no two of one condition.
fn made_up_routes(random: &mut fastrand::Rng) -> Vec<Route> {
    let one_of = |random: &mut fastrand::Rng| match random.u8(..3) {
        0 => Some(true),
        1 => Some(false),
        _ => None,
    };
    let mut routes = Vec::new();
    for at in 0..random.usize(1..25) {
        let host = random.choice(HOSTS).unwrap();
        let path = random.choice(PATHS).unwrap();
        let proto = one_of(random).map(|ws| if ws { Proto::Ws } else { Proto::Http });
        let ssl = one_of(random);
        let mut made = route(host, path, proto, ssl, &at.to_string());
        made.fallthrough = random.u8(..4) == 0;
        routes.push(made);
        if check_duplicates(&routes).is_err() {
            routes.pop();
        }
    }
    routes
}

#[test]
fn tables_of_any_kind_find_what_the_manual_says() {
    let mut found_some = 0;
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let routes = made_up_routes(&mut random);
        let table = RouteTable::new(routes.clone()).unwrap();
        for _ in 0..200 {
            let path = [random.choice(PATHS).unwrap(), random.choice(PATHS).unwrap()].concat();
            let asked = Query {
                proto: if random.bool() {
                    Proto::Ws
                } else {
                    Proto::Http
                },
                ssl: random.bool(),
                ..query(random.choice(ASKED).unwrap(), &path)
            };
            let expected = by_the_manual(&routes, &asked).and_then(|route| route.id.clone());
            found_some += usize::from(expected.is_some());
            assert_eq!(
                found(&table, &asked),
                expected,
                "seed {seed}: {asked:?} {routes:#?}"
            );
        }
    }
    assert!(found_some > 10_000, "{found_some}");
}
