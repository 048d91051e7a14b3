//! Where backends connect to, as ZeroMQ writes it.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

/// An address that a socket is bound to.
///
/// Displays as it is written: `tcp://127.0.0.1:10000`, `ipc:///run/app`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A name and a port, to connect to only.
    Named(Box<str>, u16),
    /// A unix socket.
    Ipc(PathBuf),
}

impl Endpoint {
    /// Reads `tcp://address:port`, where `*` is any address, or `ipc://` and a whole path.
    pub fn parse(spec: &str) -> Option<Endpoint> {
        if let Some(path) = spec.strip_prefix("ipc://") {
            let is_whole = Path::new(path).is_absolute() && path.len() > 1;
            return is_whole.then(|| Endpoint::Ipc(path.into()));
        }
        let address = spec.strip_prefix("tcp://")?;
        if let Ok(address) = address.parse() {
            return Some(Endpoint::Tcp(address));
        }
        let (name, port) = address.rsplit_once(':')?;
        let ip = match name {
            "*" => Ipv4Addr::UNSPECIFIED,
            "localhost" => Ipv4Addr::LOCALHOST,
            _ => return None,
        };
        Some(Endpoint::Tcp(SocketAddr::new(
            IpAddr::V4(ip),
            port.parse().ok()?,
        )))
    }
}

impl Endpoint {
    /// Reads where to connect to: as `parse` does, and `tcp://name:port` too.
    pub fn parse_remote(spec: &str) -> Option<Endpoint> {
        let named = || {
            let (name, port) = spec.strip_prefix("tcp://")?.rsplit_once(':')?;
            let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            let is_name = !name.is_empty() && name.len() <= 253 && name.bytes().all(is_part);
            let port = port.parse().ok().filter(|port| *port > 0)?;
            is_name.then(|| Endpoint::Named(name.into(), port))
        };
        Endpoint::parse(spec).or_else(named)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp(address) => write!(f, "tcp://{address}"),
            Endpoint::Named(name, port) => write!(f, "tcp://{name}:{port}"),
            Endpoint::Ipc(path) => write!(f, "ipc://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_as_zeromq_writes_them() {
        for (spec, shown) in [
            ("tcp://127.0.0.1:1", Some("tcp://127.0.0.1:1")),
            ("tcp://*:1", Some("tcp://0.0.0.0:1")),
            ("tcp://localhost:1", Some("tcp://127.0.0.1:1")),
            ("tcp://[::1]:1", Some("tcp://[::1]:1")),
            ("ipc:///run/a", Some("ipc:///run/a")),
            ("ipc://run/a", None),
            ("ipc:///", None),
            ("ipc://@a", None),
            ("tcp://a.example:1", None),
            ("tcp://*:*", None),
            ("tcp://127.0.0.1", None),
            ("tcp://127.0.0.1:65536", None),
            ("udp://127.0.0.1:1", None),
            ("", None),
        ] {
            let found = Endpoint::parse(spec).map(|endpoint| endpoint.to_string());
            assert_eq!(found.as_deref(), shown, "{spec}");
        }
    }
}
