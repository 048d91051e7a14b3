//! What a SockJS client asks for, by the path below the base.
//!
//! It knows no session and no host; [`SockJs::below`](crate::engine::route::SockJs::below) cuts the
//! base off.
//!
//! ```text
//! /info  /iframe*.html  /<server>/<session>/{xhr,xhr_send,jsonp,jsonp_send}
//! WebSocket: /websocket (raw)  /<server>/<session>/<anything> (framed)
//! ```

use std::fmt;

use http::Method;

/// Longest name of a server or a session, in bytes.
pub const NAME_MAX: usize = 256;

/// The name of a session, chosen by its client.
///
/// **Shape**: a segment of an encoded path, without dots. **Bounds**: 1 to 256 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(Box<str>);

impl SessionId {
    /// Takes a segment of an encoded path, if it can be a name.
    pub fn new(segment: &str) -> Option<SessionId> {
        is_name(segment).then(|| SessionId(segment.into()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an HTTP request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// What the server can do.
    Info,
    /// The page that old browsers talk through.
    Iframe,
    /// A poll that is answered as it is; the first one opens the session.
    Xhr(SessionId),
    /// Messages of the client.
    XhrSend(SessionId),
    /// A poll that is answered by a function call; the first one opens the session.
    Jsonp(SessionId),
    /// Messages of the client, in a form or in the query.
    JsonpSend(SessionId),
}

impl Endpoint {
    /// Reads a path below the base, without the query; `None`: it is answered 404.
    ///
    /// Not for `OPTIONS`, which is answered alike at any path.
    pub fn parse(below: &str) -> Option<Endpoint> {
        match below {
            "/info" => return Some(Endpoint::Info),
            path if is_iframe(path) => return Some(Endpoint::Iframe),
            _ => {}
        }
        let (session, last) = session(below)?;
        match last {
            "xhr" => Some(Endpoint::Xhr(session)),
            "xhr_send" => Some(Endpoint::XhrSend(session)),
            "jsonp" => Some(Endpoint::Jsonp(session)),
            "jsonp_send" => Some(Endpoint::JsonpSend(session)),
            _ => None,
        }
    }

    /// Tells whether it can be asked so; any other method is answered 404.
    pub fn allows(&self, method: &Method) -> bool {
        match self {
            Endpoint::Info | Endpoint::Iframe => *method == Method::GET,
            Endpoint::Xhr(_) | Endpoint::XhrSend(_) => *method == Method::POST,
            Endpoint::Jsonp(_) | Endpoint::JsonpSend(_) => {
                *method == Method::GET || *method == Method::POST
            }
        }
    }

    /// Returns the session that it is about.
    pub fn session(&self) -> Option<&SessionId> {
        match self {
            Endpoint::Info | Endpoint::Iframe => None,
            Endpoint::Xhr(session)
            | Endpoint::XhrSend(session)
            | Endpoint::Jsonp(session)
            | Endpoint::JsonpSend(session) => Some(session),
        }
    }
}

/// What a WebSocket handshake is for.
///
/// It needs no session's name: a session ends with its socket, and several may share a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketEndpoint {
    /// Messages in SockJS's frames.
    Framed,
    /// Messages as they are.
    Raw,
}

impl SocketEndpoint {
    /// Reads a path below the base, without the query; `None`: it is answered 404.
    pub fn parse(below: &str) -> Option<SocketEndpoint> {
        if below == "/websocket" {
            return Some(SocketEndpoint::Raw);
        }
        session(below).map(|_| SocketEndpoint::Framed)
    }
}

/// Reads `/<server>/<session>/<last>`, none of them empty.
fn session(below: &str) -> Option<(SessionId, &str)> {
    let mut parts = below.strip_prefix('/')?.split('/');
    let (server, session, last) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || last.is_empty() || !is_name(server) {
        return None;
    }
    Some((SessionId::new(session)?, last))
}

fn is_name(segment: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && !b"./?#".contains(&byte);
    (1..=NAME_MAX).contains(&segment.len()) && segment.bytes().all(is_allowed)
}

fn is_iframe(path: &str) -> bool {
    let version = path
        .strip_prefix("/iframe")
        .and_then(|rest| rest.strip_suffix(".html"));
    version.is_some_and(|version| !version.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> SessionId {
        SessionId::new(name).unwrap()
    }

    #[test]
    fn each_path_has_one_meaning() {
        for (path, endpoint) in [
            ("/info", Endpoint::Info),
            ("/iframe.html", Endpoint::Iframe),
            ("/iframe-.html", Endpoint::Iframe),
            ("/iframe-0.1.2abc-dirty.2144.html", Endpoint::Iframe),
            ("/000/ab12/xhr", Endpoint::Xhr(id("ab12"))),
            ("/_/_1/xhr_send", Endpoint::XhrSend(id("_1"))),
            ("/1/s/jsonp", Endpoint::Jsonp(id("s"))),
            ("/1/s/jsonp_send", Endpoint::JsonpSend(id("s"))),
            ("/i_i-j%20/a_i-j%20/xhr", Endpoint::Xhr(id("a_i-j%20"))),
        ] {
            assert_eq!(Endpoint::parse(path), Some(endpoint), "{path}");
        }
    }

    #[test]
    fn the_server_plays_no_part() {
        assert_eq!(Endpoint::parse("/000/s/xhr"), Endpoint::parse("/999/s/xhr"));
    }

    #[test]
    fn other_paths_mean_nothing() {
        for path in [
            "",
            "/",
            "//",
            "///",
            "info",
            "/info/",
            "/INFO",
            "/a",
            "/a.html",
            "/a/a",
            "/a/a/",
            "/a/a/a",
            "/iframe",
            "/iframe.htm",
            "/iframe.HTML",
            "/IFRAME.HTML",
            "/iframe.xml",
            "/iframe-/.html",
            "////xhr",
            "///xhr",
            "/a./a/xhr",
            "/a/a./xhr",
            "/./././xhr",
            "/a//xhr",
            "//a/xhr",
            "/a/b/xhr/",
            "/a/b/c/xhr",
            "/a/b/xhr_streaming",
            "/a/b/eventsource",
            "/a/b/htmlfile",
            "/a/b/websocket",
            "/websocket",
        ] {
            assert_eq!(Endpoint::parse(path), None, "{path}");
        }
    }

    #[test]
    fn sockets_are_framed_below_a_session_and_raw_beside_it() {
        for (path, endpoint) in [
            ("/websocket", Some(SocketEndpoint::Raw)),
            ("/000/s/websocket", Some(SocketEndpoint::Framed)),
            ("/000/s/anything", Some(SocketEndpoint::Framed)),
            ("/000/s/", None),
            ("/000/s", None),
            ("/0.0/s/websocket", None),
            ("/000/s/websocket/", None),
            ("/websocket/", None),
            ("", None),
        ] {
            assert_eq!(SocketEndpoint::parse(path), endpoint, "{path}");
        }
    }

    #[test]
    fn names_are_bounded() {
        let longest = "n".repeat(NAME_MAX);
        assert_eq!(SessionId::new(&longest).unwrap().as_str(), longest);
        assert_eq!(SessionId::new(&format!("{longest}n")), None);
        let path = format!("/{longest}n/s/xhr");
        assert_eq!(Endpoint::parse(&path), None, "a server's name too");
        assert_eq!(SessionId::new("a b"), None);
        assert_eq!(SessionId::new("\u{e9}"), None);
    }

    #[test]
    fn each_has_its_methods() {
        let allowed = |path: &str| {
            let endpoint = Endpoint::parse(path).unwrap();
            [Method::GET, Method::POST, Method::PUT].map(|method| endpoint.allows(&method))
        };
        assert_eq!(allowed("/info"), [true, false, false]);
        assert_eq!(allowed("/iframe.html"), [true, false, false]);
        assert_eq!(allowed("/0/s/xhr"), [false, true, false]);
        assert_eq!(allowed("/0/s/xhr_send"), [false, true, false]);
        assert_eq!(allowed("/0/s/jsonp"), [true, true, false]);
        assert_eq!(allowed("/0/s/jsonp_send"), [true, true, false]);
    }
}
