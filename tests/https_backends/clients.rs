//! What P-8 shows of itself: the name it asks for, its certificate, kept connections.

use crate::support::nginx::{self, Site};
use crate::support::programs::{find_program, TempDir};
use crate::support::tls::Certificate;
use crate::support::wait::{wait_until, DEADLINE};
use crate::support::{Config, P8};

use super::Nginx;

/// Says what the server has seen of the connection.
const TELLING: &str = "add_header X-Name $ssl_server_name; add_header X-Host $http_host;\n\
    add_header X-Nth $connection_requests; add_header X-Client $ssl_client_verify;\n\
    location / { return 200 'hello'; }";

#[test]
fn the_server_is_asked_for_and_verified_under_the_host_that_is_sent() {
    let certificate = Certificate::of(&["a.example", "b.example"]);
    let Some(nginx) = Nginx::start(&certificate, TELLING) else {
        return;
    };
    let p8 = nginx.trusted("");
    let mut client = p8.client();
    for (host, nth) in [
        ("a.example", "1"),
        ("A.example:8443", "2"),
        ("b.example", "1"),
        ("a.example", "3"),
    ] {
        let reply = client.get_with("/", &[("Host", host)]);
        assert_eq!((reply.status(), reply.text().as_str()), (200, "hello"));
        let name = host.split(':').next().map(str::to_ascii_lowercase);
        assert_eq!(reply.head.header("x-name"), name.as_deref());
        assert_eq!(reply.head.header("x-host"), Some(host));
        assert_eq!(reply.head.header("x-nth"), Some(nth), "{host}: kept apart");
    }
    let other = client.get_with("/", &[("Host", "c.example")]);
    assert_eq!(other.head.header("p8-reason"), Some("tls-name-mismatch"));
    let none = client.get_with("/", &[("Host", "a..example")]);
    assert_eq!(none.head.header("p8-reason"), Some("tls-no-name"));
}

#[test]
fn the_host_of_the_target_counts_and_that_of_the_connection_if_it_is_trusted() {
    let certificate = Certificate::of(&["a.example", "127.0.0.1"]);
    let Some(nginx) = Nginx::start(&certificate, TELLING) else {
        return;
    };
    let p8 = nginx.trusted(", host = \"a.example\"");
    let reply = p8.client().get_with("/", &[("Host", "other.example")]);
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.head.header("x-name"), Some("a.example"));

    let p8 = nginx.trusted(", trust_connect_host = true");
    let reply = p8.client().get_with("/", &[("Host", "other.example")]);
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.head.header("x-name"), None, "no name for an address");
    assert_eq!(reply.head.header("x-host"), Some("other.example"));
}

#[test]
fn the_authorities_of_all_targets_count_unless_a_target_has_its_own() {
    let certificate = Certificate::of(&["a.example"]);
    let Some(nginx) = Nginx::start(&certificate, TELLING) else {
        return;
    };
    let asked = |config: &Config| {
        let p8 = P8::start(config);
        let reply = p8.client().get_with("/", &[("Host", "a.example")]);
        reply.status()
    };
    assert_eq!(asked(&nginx.config("")), 502, "nobody trusts it");
    let all = nginx.config("").proxy(&nginx.ca_cert());
    assert_eq!(asked(&all), 200);
    let (other, _) = Certificate::of(&["a.example"]).write(&nginx.folder, "other");
    let own = nginx.config(&format!(", ca_cert = \"{}\"", other.display()));
    assert_eq!(asked(&own.proxy(&nginx.ca_cert())), 502);
}

#[test]
fn a_server_that_wants_a_certificate_gets_the_targets() {
    let certificate = Certificate::of(&["a.example"]);
    let mine = Certificate::of(&["p8.example"]);
    let folder = TempDir::new("client-certificate");
    let (chain, key) = mine.write(&folder, "client");
    let asking = format!(
        "ssl_client_certificate {}; ssl_verify_client on; {TELLING}",
        chain.display()
    );
    let Some(nginx) = Nginx::start(&certificate, &asking) else {
        return;
    };
    let keys = format!(
        ", client_cert = \"{}\", client_key = \"{}\"",
        chain.display(),
        key.display()
    );
    for (keys, status) in [("", 400), (keys.as_str(), 200)] {
        let p8 = nginx.trusted(keys);
        let reply = p8.client().get_with("/", &[("Host", "a.example")]);
        assert_eq!(reply.status(), status);
        if status == 200 {
            assert_eq!(reply.head.header("x-client"), Some("SUCCESS"));
        }
    }
}

#[test]
fn a_backend_on_a_unix_socket_is_asked_as_any_other() {
    let Some(program) = find_program(&["nginx"]) else {
        return;
    };
    let folder = TempDir::new("unix-backend");
    let socket = folder.path().join("s");
    let listen = format!("unix:{}", socket.display());
    let site = Site {
        listen: &listen,
        inside: TELLING,
        ..Site::default()
    };
    let _nginx = nginx::run(&program, &folder, site);
    wait_until(DEADLINE, "nginx", || {
        std::os::unix::net::UnixStream::connect(&socket).is_ok()
    });
    let target = format!("{{ url = \"{listen}\" }}");
    let config = Config::new().route_to("host = \"*\"\ndebug = true", target);
    let p8 = P8::start(&config);
    let mut client = p8.client();
    for nth in ["1", "2"] {
        let reply = client.get_with("/", &[("Host", "chat.example:80")]);
        assert_eq!((reply.status(), reply.text().as_str()), (200, "hello"));
        assert_eq!(reply.head.header("x-host"), Some("chat.example:80"));
        assert_eq!(reply.head.header("x-nth"), Some(nth));
    }

    let nowhere = folder.path().join("nothing");
    let target = format!(
        "{{ url = \"unix:{}\" }}, {{ url = \"{listen}\" }}",
        nowhere.display()
    );
    let p8 = P8::start(&Config::new().route_to("host = \"*\"", target));
    assert_eq!(p8.client().get("/").status(), 200, "the next one is asked");
    let target = format!("{{ url = \"unix:{}\" }}", nowhere.display());
    let p8 = P8::start(&Config::new().route_to("host = \"*\"\ndebug = true", target));
    let reply = p8.client().get("/");
    let text = format!(
        "Unable to connect to any targets. Tried: unix:{}\n",
        nowhere.display()
    );
    assert_eq!((reply.status(), reply.text()), (502, text));
}

#[test]
fn health_pages_are_asked_over_tls_as_requests_are() {
    let certificate = Certificate::of(&["a.example"]);
    let Some(nginx) = Nginx::start(&certificate, TELLING) else {
        return;
    };
    let config = nginx.config(", host = \"a.example\", health = \"/\"");
    let trusting = config.clone().proxy(&nginx.ca_cert());
    for (config, expected) in [(config, "unhealthy"), (trusting, "healthy")] {
        let p8 = P8::start(&config);
        wait_until(DEADLINE, expected, || {
            p8.snapshot().json()["targets"][0]["check"] == expected
        });
    }
}
