//! Links, hosts and names: any text. What a link becomes can be requested, and only the client's own
//! origin goes through a route; `Grip-Last` is read as it was meant.

use std::sync::Arc;

use http::{uri::PathAndQuery, HeaderValue};
use p8::engine::link_target::{client_url, destination, resolve, Destination};
use p8::engine::route::{Route, RouteTable, Target, TargetKind};
use p8::grip::header_params::{split_list, Element};
use p8::grip::{last, link, ChannelName, ItemId};

/// Checks one input.
pub fn check(input: (bool, &str, &str, &str)) {
    let (is_secure, host, path, written) = input;
    let name = ChannelName::new(host);
    if let Some(value) = last::value(&name, &ItemId::new(written)) {
        let elements = split_list([value.as_bytes()]);
        let [one] = elements.as_slice() else {
            panic!("one element: {value:?}")
        };
        let element = Element::parse(one).unwrap();
        assert_eq!(element.first, host.as_bytes());
        assert_eq!(element.param("last-id"), Some(written.as_bytes()));
    }
    let value = format!("<{written}>; rel=next");
    let Ok(links) = link::parse([value.as_bytes()]) else {
        return;
    };
    let Some(next) = links.next else { return };
    let Some(client) = client_url(is_secure, Some(host), &format!("/{path}")) else {
        return;
    };
    let Some(url) = resolve(&client, &next.uri) else {
        return;
    };
    let mut route = Route::new("*");
    route.path_beg = Some("/a".to_owned());
    route.targets = vec![Target::http("127.0.0.1", 80)];
    let routes = RouteTable::new(vec![route]).unwrap();
    let own: &Arc<Route> = &routes.routes()[0];
    match destination(&url, &client, own, &routes) {
        Some(Destination::Route { path_and_query, .. }) => {
            assert_eq!(url.origin(), client.origin());
            assert!(path_and_query.starts_with("/a"));
            let _ = PathAndQuery::try_from(path_and_query);
        }
        Some(Destination::Elsewhere { target, host, .. }) => {
            assert!(HeaderValue::from_str(&host).is_ok() && !host.contains('@'));
            let is_own = url.origin() == client.origin();
            let TargetKind::Server(server) = target else {
                panic!("{target}");
            };
            assert!(is_own || !server.is_public);
        }
        None => {}
    }
}
