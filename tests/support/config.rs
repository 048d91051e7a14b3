//! Builds the TOML that a test's P-8 is started with. The one place that knows key names.

use std::fmt::Display;
use std::net::SocketAddr;

/// A configuration with ports 0, a signing key, and no route until one is added.
#[derive(Default, Clone)]
pub struct Config {
    http: Vec<String>,
    control: Vec<String>,
    handler: Vec<String>,
    proxy: Vec<String>,
    zmq: Vec<String>,
    routes: Vec<String>,
}

impl Config {
    pub fn new() -> Config {
        Config::default()
            .http("listen = [\"127.0.0.1:0\"]")
            .control("listen = \"127.0.0.1:0\"")
            .handler("update_on_first_subscription = false")
            .proxy("sig_key = \"changeme\"")
    }

    /// Every host and path to that backend.
    pub fn to(backend: SocketAddr) -> Config {
        Config::new().route("host = \"*\"", &[backend])
    }

    /// Every host and path to that backend, WebSockets as HTTP requests.
    pub fn over_http(backend: SocketAddr) -> Config {
        Config::over_http_with("host = \"*\"", &[backend], "")
    }

    /// A route to these backends, WebSockets as HTTP requests; more of each target as TOML.
    pub fn over_http_with(lines: &str, targets: &[SocketAddr], more: &str) -> Config {
        let targets: Vec<String> = targets
            .iter()
            .map(|addr| format!("{{ url = \"http://{addr}\", over_http = true{more} }}"))
            .collect();
        Config::new().route_to(lines, targets.join(", "))
    }

    /// A line of `[http]`.
    pub fn http(mut self, line: &str) -> Config {
        self.http.push(line.into());
        self
    }

    /// A line of `[http]` that replaces an earlier one with the same key.
    pub fn http_instead(mut self, line: &str) -> Config {
        replace(&mut self.http, line);
        self
    }

    /// A line of `[control]` that replaces an earlier one with the same key.
    pub fn control_instead(mut self, line: &str) -> Config {
        replace(&mut self.control, line);
        self
    }

    /// A line of `[control]`.
    pub fn control(mut self, line: &str) -> Config {
        self.control.push(line.into());
        self
    }

    /// A line of `[handler]`; it replaces an earlier one with the same key.
    pub fn handler(mut self, line: &str) -> Config {
        replace(&mut self.handler, line);
        self
    }

    /// A line of `[proxy]`; it replaces an earlier one with the same key.
    pub fn proxy(mut self, line: &str) -> Config {
        replace(&mut self.proxy, line);
        self
    }

    /// A line of `[zmq]`; it replaces an earlier one with the same key.
    pub fn zmq(mut self, line: &str) -> Config {
        replace(&mut self.zmq, line);
        self
    }

    /// A route: its lines, and targets by address.
    pub fn route(self, lines: &str, targets: &[SocketAddr]) -> Config {
        let targets: Vec<String> = targets
            .iter()
            .map(|addr| format!("{{ url = \"http://{addr}\" }}"))
            .collect();
        self.route_to(lines, targets.join(", "))
    }

    /// A route: its lines, and targets as TOML.
    pub fn route_to(mut self, lines: &str, targets: impl Display) -> Config {
        self.routes.push(format!("{lines}\ntargets = [{targets}]"));
        self
    }

    /// The text of the file.
    pub fn toml(&self) -> String {
        let mut text = String::new();
        let tables = [
            ("http", &self.http),
            ("control", &self.control),
            ("handler", &self.handler),
            ("proxy", &self.proxy),
            ("zmq", &self.zmq),
        ];
        for (name, lines) in tables {
            text.push_str(&format!("[{name}]\n{}\n\n", lines.join("\n")));
        }
        for route in &self.routes {
            text.push_str(&format!("[[routes]]\n{route}\n\n"));
        }
        text
    }
}

fn replace(lines: &mut Vec<String>, line: &str) {
    let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
    lines.retain(|earlier| key(earlier) != key(line));
    lines.push(line.into());
}
