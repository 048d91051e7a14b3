//! Several addresses, of both families.

use crate::support::grip::hold;
use crate::support::programs::{Program, TempDir};
use crate::support::publish::stream_item;
use crate::support::tls::Certificate;
use crate::support::{Answer, Backend, Client, Config, P8};

#[test]
fn every_address_is_served_whatever_its_family() {
    let backend = Backend::answering(|request| {
        Answer::ok(request.header("x-forwarded-for").unwrap_or("none"))
    });
    let mut config = Config::to(backend.addr).proxy("x_forwarded_for = \"append\"");
    config = config.http_instead("listen = [\"127.0.0.1:0\", \"[::1]:0\", \"127.0.0.1:0\"]");
    let p8 = P8::start(&config);
    assert_eq!(p8.all.len(), 3);
    for address in &p8.all {
        let told = Client::connect(*address).get("/").text();
        assert_eq!(told, address.ip().to_string());
    }
    assert_eq!(p8.snapshot().total("requests_total"), 3);
}

#[test]
fn an_item_reaches_the_clients_of_every_address() {
    let backend = Backend::answering(|_| hold("stream", "a", ""));
    let config = Config::to(backend.addr);
    let p8 = P8::start(&config.http_instead("listen = [\"127.0.0.1:0\", \"[::1]:0\"]"));
    let mut clients: Vec<Client> = p8
        .all
        .iter()
        .map(|address| {
            let mut client = Client::connect(*address);
            client.request("GET", "/", &[], b"");
            assert_eq!(client.final_head().status, 200);
            client
        })
        .collect();
    p8.publish(&[stream_item("a", "one")]);
    clients.iter_mut().for_each(|client| client.expect("one"));
}

#[test]
fn the_banner_names_every_listener() {
    let folder = TempDir::new("banner");
    let socket = folder.path().join("p8.sock");
    let (chain, key) = Certificate::of(&["localhost"]).write(&folder, "default");
    let config = Config::new()
        .route_to("host = \"*\"", "{ test = true }")
        .http("tls_listen = \"[::1]:0\"")
        .http(&format!("tls_cert = {chain:?}"))
        .http(&format!("tls_key = {key:?}"))
        .http(&format!("unix_listen = {socket:?}"));
    let program = Program::start(&config.toml(), &[]);
    let lines = program.banner.lines().map(str::trim);
    let clients: Vec<&str> = lines
        .filter_map(|line| line.strip_prefix("clients"))
        .map(str::trim)
        .collect();
    assert_eq!(clients.len(), 3, "{}", program.banner);
    assert!(clients[0].starts_with("http://127.0.0.1:"));
    assert!(clients[1].starts_with("https://[::1]:"));
    assert_eq!(clients[2], format!("unix:{}", socket.display()));
}
