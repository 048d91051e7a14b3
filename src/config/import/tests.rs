//! Tests of the import: files of a made-up installation in, settings and notes out.

use super::*;
use crate::config::Settings;
use crate::engine::route::{JsonpMode, Proto, Query, RouteTable, TargetKind};

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
                header=\"X-A: 1\",header=\"X-B:\",header=X-A:2 localhost:8080";
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

/// Every key of an installation, some with two values; `{folder}` is the installation's.
const EVERY_KEY: &str = "
[global]
include={libdir}/inner.conf
libdir={folder}
rundir=/run/x
ipc_prefix=x-
port_offset=10
stats_connection_ttl=120
stats_connection_send=true
[runner]
services=connmgr,proxy,handler
http_port=7999,127.0.0.1:8000,\"[::1]:8001\"
logdir=log
log_level=2
client_buffer_size=9000
client_maxconn=500
allow_compression=true
mongrel2_bin=a
m2sh_bin=b
zurl_bin=c
[proxy]
workers=2
max_open_requests=9
routesfile=routes
debug=true
auto_cross_origin=1
accept_x_forwarded_protocol=true
set_x_forwarded_protocol=true
x_forwarded_for=truncate:0,append
x_forwarded_for_trusted=\"truncate:3,append\"
orig_headers_need_mark=X-One, X-Two
cdn_loop=x.example
log_from=false
log_user_agent=false
sig_iss=me
sig_key=base64:AAEC
sockjs_url=http://cdn.example/s.js
stats_report_interval=10
stats_connections_max_ttl=60
ipc_file_mode=777
updates_check=off
organization_name=
[handler]
ipc_file_mode=777
push_in_spec=tcp://127.0.0.1:5560
push_in_sub_specs=tcp://127.0.0.1:5562,ipc://{rundir}/{ipc_prefix}sub
push_in_sub_connect=true
push_in_http_addr=127.0.0.2
push_in_http_port=5561
push_in_http_max_headers_size=20000
push_in_http_max_body_size=2000000
stats_spec=ipc://{rundir}/{ipc_prefix}stats
stats_format=json
command_spec=tcp://127.0.0.1:5563
state_spec=x
message_rate=2500
message_hwm=25000
message_block_size=-1
message_wait=4000
id_cache_ttl=50
update_on_first_subscription=false
connection_subscription_max=30
subscription_linger=40
stats_subscription_ttl=60
stats_report_interval=10
share_all=true
odd=1
";

/// Makes the installation of [`EVERY_KEY`]; gives the text of its configuration too.
fn with_every_key(name: &str) -> (Installation, String) {
    let inner =
        "[proxy]\nzurl_in_specs=x\nstats_spec=y\n[handler]\nproxy_accept_spec=z\nmessage_wait=1\n";
    let place = Installation::new(name, &[("inner.conf", inner), ("routes", "* test\n")]);
    let text = EVERY_KEY.replace("{folder}", &place.0.display().to_string());
    std::fs::write(place.0.join("pushpin.conf"), &text).unwrap();
    (place, text)
}

#[test]
fn values_are_taken_over() {
    let (place, _) = with_every_key("values");
    let imported = place.import();
    let settings = loaded(&imported);
    let (http, control) = (&settings.http, &settings.control);
    let (handler, forward) = (&settings.handler, &settings.proxy.forward);
    let listen: Vec<String> = http.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["0.0.0.0:7999", "127.0.0.1:8000", "[::1]:8001"]);
    assert_eq!(control.listen.to_string(), "127.0.0.2:5571");
    assert_eq!(handler.message_wait.as_millis(), 4000);
    for (found, expected) in [
        (http.client_buffer_size as u64, 9000),
        (http.client_maxconn as u64, 500),
        (control.max_headers_size as u64, 20_000),
        (control.max_body_size as u64, 2_000_000),
        (u64::from(handler.rate.per_sec), 2500),
        (handler.rate.hwm, 25_000),
        (handler.rate.block_size, 0),
        (handler.id_cache_ttl.as_secs(), 50),
        (handler.subscription_linger.as_secs(), 40),
        (handler.connection_subscription_max as u64, 30),
        (forward.x_forwarded_for.len() as u64, 2),
        (forward.x_forwarded_for_trusted.len() as u64, 2),
        (forward.orig_headers_need_mark.len() as u64, 2),
    ] {
        assert_eq!(found, expected);
    }
    assert!(http.allow_compression && !handler.update_on_first_subscription);
    assert!(settings.routes[0].aco && forward.accept_x_forwarded_protocol);
    assert_eq!(forward.cdn_loop.as_deref(), Some("x.example"));
    assert_eq!(forward.sig.as_ref().map(|sig| sig.iss.as_str()), Some("me"));
    for line in [
        "pull = \"tcp://127.0.0.1:5570\"",
        "sub = [\"tcp://127.0.0.1:5572\", \"ipc:///run/x/x-sub\"]",
        "stats = \"ipc:///run/x/x-stats\"",
    ] {
        assert!(imported.toml.contains(line), "{line} in\n{}", imported.toml);
    }
}

#[test]
fn every_key_is_taken_over_or_named() {
    let (place, text) = with_every_key("every-key");
    let notes: Vec<String> = place
        .import()
        .notes
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut section = "";
    for (index, line) in text.lines().enumerate() {
        let Some((key, _)) = line.split_once('=') else {
            section = line.trim_matches(['[', ']']);
            continue;
        };
        let named = format!("pushpin.conf:{}: ", index + 1);
        let is_named = notes
            .iter()
            .any(|note| note.contains(&named) && note.contains(key));
        let is_read = ["include", "port_offset", "routesfile"].contains(&key);
        let is_mapped = super::keys::is_taken_over(section, key);
        assert!(is_named || is_read || is_mapped, "{line}\n{notes:#?}");
        assert!(is_named || key != "odd", "{notes:#?}");
    }
    let inner = notes
        .iter()
        .filter(|note| note.contains("3 keys of Pushpin's inner sockets"));
    assert_eq!(inner.count(), 1, "{notes:#?}");
}

#[test]
fn defaults_that_differ_are_written() {
    let place = Installation::new(
        "defaults",
        &[("pushpin.conf", "[proxy]\nroutesfile=absent\n")],
    );
    let imported = place.import();
    let settings = loaded(&imported);
    assert!(settings.routes.is_empty() && settings.handler.id_cache_ttl.is_zero());
    let notes: Vec<String> = imported.notes.iter().map(ToString::to_string).collect();
    let has = |words: &str| notes.iter().any(|note| note.contains(words));
    assert!(
        has("absent: cannot be read") && has("push_in_http_port is not set"),
        "{notes:?}"
    );
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
fn a_control_port_for_others_becomes_one_for_this_machine() {
    for (address, expected) in [
        ("0.0.0.0", "127.0.0.1:5561"),
        ("localhost", "127.0.0.1:5561"),
        ("::1", "[::1]:5561"),
        ("[::1]", "[::1]:5561"),
        ("control.example", "127.0.0.1:5561"),
    ] {
        let text = format!("[handler]\npush_in_http_addr={address}\npush_in_http_port=5561\n");
        let place = Installation::new("control", &[("pushpin.conf", &text)]);
        let imported = place.import();
        assert_eq!(loaded(&imported).control.listen.to_string(), expected);
        let noted = imported
            .notes
            .iter()
            .any(|note| note.text.contains("no authentication"));
        assert_eq!(
            noted,
            expected == "127.0.0.1:5561" && address != "localhost",
            "{address}"
        );
    }
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
