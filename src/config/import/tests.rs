//! Tests of the import: files of a made-up installation in, settings and notes out.

use super::*;
use crate::config::Settings;
use crate::engine::route::{JsonpMode, Proto, Query, RouteTable, TargetKind};

mod keys;

/// An installation in a folder of its own, gone when the test ends.
struct Installation(PathBuf);

impl Installation {
    fn new(name: &str, files: &[(&str, &str)]) -> Installation {
        let folder = std::env::temp_dir().join(format!("p8-import-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (file, text) in files {
            std::fs::write(folder.join(file), text).unwrap();
        }
        Installation(folder)
    }

    fn import(&self) -> Imported {
        import(&self.0.join("pushpin.conf"), &[]).unwrap()
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Imports these route lines alone; the result loads.
fn routes(lines: &str) -> (Settings, Vec<String>) {
    let lines: Vec<String> = lines.lines().map(str::to_owned).collect();
    let files = Files::new(Path::new("pushpin.conf"));
    let imported = from_texts(
        &files,
        Vec::new(),
        &files.given_routes(&lines),
        Notes::default(),
    )
    .unwrap();
    let of_lines = |note: &&Note| note.place.starts_with("--route");
    let notes = imported.notes.iter().filter(of_lines);
    let notes = notes.map(ToString::to_string).collect();
    (loaded(&imported), notes)
}

fn loaded(imported: &Imported) -> Settings {
    Settings::from_toml(&imported.toml).unwrap_or_else(|error| panic!("{error}\n{}", imported.toml))
}

#[test]
fn every_condition_and_parameter_of_a_line_is_taken_over() {
    let line = "App.Example,path_beg=/a,proto=ws,ssl=yes,id=one,prefix=p-,as_host=in.example:81,path_rem=2,\
                sig_iss=me,sig_key=secret,orig_headers,debug=false,aco,jsonp_mode=basic,jsonp_cb=cb,\
                jsonp_body=b,jsonp_defcb=app.show,jsonp_defmethod=PUT,sockjs=/a/s,sockjs_as_path=/ws,no_grip,\
                log_level=3,header=\"X-A: 1\",header=\"X-B:\",header=X-A:2 localhost:8080";
    let (settings, notes) = routes(line);
    assert_eq!(
        notes,
        ["--route:1: header: X-A is set twice, the first counts"]
    );
    let route = &settings.routes[0];
    assert_eq!(route.host, "app.example");
    assert_eq!(route.path_beg.as_deref(), Some("/a"));
    assert_eq!((route.proto, route.ssl), (Some(Proto::Ws), Some(true)));
    assert_eq!(route.id.as_deref(), Some("one"));
    assert_eq!(route.prefix.as_deref(), Some("p-"));
    assert_eq!(route.as_host.as_deref(), Some("in.example:81"));
    assert_eq!(route.path_rem, 2);
    assert_eq!(route.sig.as_ref().map(|sig| sig.iss.as_str()), Some("me"));
    assert!(route.orig_headers && route.debug && route.aco && route.no_grip);
    assert_eq!(route.log_level, log::LevelFilter::Debug);
    let jsonp = route.jsonp.as_ref().unwrap();
    assert_eq!(
        (jsonp.mode, jsonp.callback.as_str()),
        (JsonpMode::Basic, "cb")
    );
    assert_eq!(jsonp.body.as_deref(), Some("b"));
    assert_eq!(jsonp.default_callback.as_deref(), Some("app.show"));
    assert_eq!(jsonp.default_method, Some(http::Method::PUT));
    let sockjs = route.sockjs.as_ref().unwrap();
    assert_eq!(
        (sockjs.base.as_str(), sockjs.as_path.as_deref()),
        ("/a/s", Some("/ws"))
    );
    let headers: Vec<_> = route
        .headers
        .iter()
        .map(|(name, value)| {
            (
                name.as_str(),
                value.as_ref().map(|value| value.to_str().unwrap()),
            )
        })
        .collect();
    assert_eq!(headers, [("x-a", Some("1")), ("x-b", None)]);
}

#[test]
fn every_kind_and_option_of_a_target_is_taken_over() {
    let (settings, notes) = routes(
        "* a:1,over_http,one_event,sub=x,sub=\"y z\",sub= b:2,ssl,insecure,host=h:3,untrusted [::1]:4 test",
    );
    let [one, two, three, four] = settings.routes[0].targets.as_slice() else {
        panic!("four targets");
    };
    let shown = |target: &crate::engine::route::Target| target.kind.to_string();
    assert_eq!([one, two, three].map(shown), ["a:1", "b:2", "[::1]:4"]);
    assert!(one.over_http && one.one_event && !two.over_http);
    let subs: Vec<_> = one.subs.iter().map(ToString::to_string).collect();
    assert_eq!(subs, ["x", "y z"]);
    let TargetKind::Server(server) = &two.kind else {
        panic!("a server");
    };
    let is_insecure = server.tls.as_ref().map(|tls| tls.insecure);
    assert_eq!((is_insecure, two.is_untrusted), (Some(true), true));
    assert_eq!(two.host.as_deref(), Some("h:3"));
    assert_eq!(four.kind, TargetKind::Test);
    assert!(
        notes.iter().all(|note| note.contains("not built")),
        "{notes:?}"
    );
}

#[test]
fn the_path_is_rewritten_as_pushpin_does() {
    for (line, cut, replaced) in [
        ("*,path_beg=/a/,replace_beg=/b/ a:1", 0, Some("/b/")),
        ("*,path_beg=/a,replace_beg= a:1", 2, None),
        ("*,path_beg=/a,path_rem=9,replace_beg=/b a:1", 0, Some("/b")),
        ("*,path_rem=9 a:1", 9, None),
        ("*,path_rem=x a:1", 0, None),
    ] {
        let (settings, _) = routes(line);
        let route = &settings.routes[0];
        assert_eq!(
            (route.path_rem, route.replace_beg.as_deref()),
            (cut, replaced),
            "{line}"
        );
    }
}

#[test]
fn bad_lines_are_named_with_their_number_and_skipped() {
    for (line, message) in [
        ("*", "must specify condition and at least one target"),
        ("* localhost", "target bad format"),
        ("* [::1:80", "target bad format"),
        ("* a:0", "target invalid port"),
        ("* a:65536", "target invalid port"),
        ("* a:1 b:x", "target invalid port"),
        ("*,path_beg= a:1", "path_beg cannot be empty"),
        ("*,proto=tcp a:1", "proto must be set to 'http' or 'ws'"),
        ("*,ssl=true a:1", "ssl must be set to 'yes' or 'no'"),
        (
            "*,jsonp_mode=x a:1",
            "jsonp_mode must be set to 'basic' or 'extended'",
        ),
        ("*,header=x a:1", "header must use format 'name:value'"),
        ("*,header=:x a:1", "header must use format 'name:value'"),
        ("debug=1 a:1", "condition has no domain or id"),
        ("* \"a:1", "unterminated quote"),
        ("*,path_beg=/z a:1", "skipping duplicate condition"),
        ("A.B:80 a:1", "P-8 refuses it"),
        ("*,path_beg=a a:1", "P-8 refuses it"),
        ("* a_b{:1", "P-8 refuses it"),
        ("*.example.com a:1", "literal name"),
    ] {
        let (settings, notes) = routes(&format!("*,path_beg=/z z:1\n{line}\nid=last z:2"));
        let at = "--route:2: ";
        assert_eq!(notes.len(), 1, "{line}: {notes:?}");
        assert!(
            notes[0].starts_with(at) && notes[0].contains(message),
            "{line}: {notes:?}"
        );
        assert_eq!(settings.routes.len(), 2, "{line}");
    }
}

#[test]
fn of_equal_conditions_the_first_stays_whatever_their_ids() {
    let (settings, notes) = routes(
        "a.b,id=x,path_beg=/p a:1\nA.B,id=y,path_beg=/p a:2\na.b,path_beg=/p,ssl=no a:3\nid=z a:4\nid=y a:5\nid=y a:6",
    );
    let targets: Vec<String> = settings
        .routes
        .iter()
        .map(|route| route.targets[0].kind.to_string())
        .collect();
    assert_eq!(targets, ["a:1", "a:3", "a:4", "a:5"]);
    let duplicate = |line| format!("--route:{line}: skipping duplicate condition");
    assert_eq!(notes, [duplicate(2), duplicate(6)]);
}

#[test]
fn a_table_whose_line_order_matters_is_named() {
    let (_, notes) = routes("a.b,path_beg=/long a:1\na.b,ssl=yes a:2\n* a:3");
    let expected =
        "--route:2: the order of lines plays no part with P-8: requests below /long go to the \
                    longer path of --route:1";
    assert_eq!(notes, [expected]);
    let (_, notes) = routes("a.b,ssl=yes a:2\na.b,path_beg=/long a:1");
    assert!(notes.is_empty());
}

#[test]
fn files_are_found_beside_the_one_that_names_them() {
    let place = Installation::new("files", &[("key.hex", "6b6579\n")]);
    std::fs::create_dir_all(place.0.join("sub")).unwrap();
    std::fs::write(
        place.0.join("sub/routes"),
        "*,sig_key=file:../key.hex,sig_iss=x a:1\nb.c,sig_key=file:no a:2\n",
    )
    .unwrap();
    let text = "[global]\ninclude=no.conf\n[proxy]\nroutesfile=sub/routes\nsig_key=file:key.hex\nsig_iss=y\n";
    std::fs::write(place.0.join("pushpin.conf"), text).unwrap();
    let imported = place.import();
    let settings = loaded(&imported);
    assert!(settings.proxy.forward.sig.is_some());
    assert!(settings.routes[0].sig.is_some() && settings.routes[1].sig.is_none());
    let notes: Vec<String> = imported.notes.iter().map(ToString::to_string).collect();
    let has = |start: &str, words: &str| {
        let matches = |note: &&String| note.contains(start) && note.contains(words);
        notes.iter().find(matches).is_some()
    };
    assert!(
        has("pushpin.conf:2: [global] include", "no.conf cannot be read"),
        "{notes:?}"
    );
    assert!(has("sub/routes:2", "cannot use the file"), "{notes:?}");
    let missing = import(&place.0.join("nothing.conf"), &[]).unwrap_err();
    assert!(missing.to_string().contains("nothing.conf: cannot be read"));
}

#[test]
fn the_result_chooses_routes_as_the_reference_says() {
    let (settings, notes) = routes(
        "* any:1\n*,ssl=yes any:4\n*,path_beg=/http any:2\n*,proto=ws any:3\na.b,path_beg=/only any:5\na.c,ssl=no any:6",
    );
    assert!(notes.is_empty(), "{notes:?}");
    let table = RouteTable::new(settings.routes).unwrap();
    for (host, path, proto, ssl, expected) in [
        ("x", "/", Proto::Http, false, "any:1"),
        ("x", "/httpx", Proto::Http, false, "any:2"),
        ("x", "/httpx", Proto::Http, true, "any:2"),
        ("x", "/httpx", Proto::Ws, true, "any:3"),
        ("x", "/", Proto::Http, true, "any:4"),
        ("A.b:80", "/only/x", Proto::Http, false, "any:5"),
        ("a.b", "/", Proto::Http, false, ""),
        ("a.c", "/", Proto::Http, true, ""),
        ("a.c", "/", Proto::Ws, false, "any:6"),
    ] {
        let found = table.find(&Query {
            id: None,
            host,
            path,
            proto,
            ssl,
        });
        let found = found.map_or_else(String::new, |route| route.targets[0].kind.to_string());
        assert_eq!(found, expected, "{host} {path} {proto:?} {ssl}");
    }
}

#[test]
fn whatever_the_files_say_the_result_loads() {
    let words = [
        "*",
        "a.b",
        "a:1",
        "test",
        " ",
        ",",
        "=",
        "\"",
        "\\",
        "#",
        "path_beg=/x",
        "ssl=yes",
        "ssl",
        "id=i",
        "header=a:b",
        "header=Host:x",
        "replace_beg=/y",
        "path_rem=99999",
        "sig_key=k",
        "sig_key=file:x",
        "zhttp/tcp://127.0.0.1:1",
        "zhttpreq/ipc://x",
        "[::1]:5",
        "ü",
        "\u{7f}",
        "as_host=a b",
        "sub=",
        "jsonp_defcb=1",
        "client_cert=x",
        "sockjs=s",
        "\t",
        "over_http",
        "prefix=p",
        "log_level=9",
    ];
    let mut random = fastrand::Rng::with_seed(127);
    for _ in 0..400 {
        let mut line = || -> String {
            let length = random.usize(..14);
            (0..length)
                .map(|_| words[random.usize(..words.len())])
                .collect()
        };
        let lines: Vec<String> = (0..4)
            .map(|_| format!("{} a:1{}", line(), line()))
            .collect();
        routes(&lines.join("\n"));
    }
}

#[test]
fn debians_installation_is_imported() {
    let config = Path::new("/etc/pushpin/pushpin.conf");
    if !config.exists() {
        eprintln!("skipped: Pushpin is not installed here");
        return;
    }
    let imported = import(config, &[]).unwrap();
    let settings = loaded(&imported);
    assert_eq!(settings.http.listen[0].port(), 7999);
    assert_eq!(settings.routes.len(), 1);
    let unknown = |note: &&Note| note.text.contains("not a key");
    assert_eq!(imported.notes.iter().find(unknown), None);
}
