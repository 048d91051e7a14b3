//! Where a route serves SockJS clients, and what path their backend sees.
//!
//! What is asked below that path is read by `engine::sockjs`.

use std::borrow::Cow;

/// Holds where a route serves SockJS clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SockJs {
    /// The encoded path that all requests of SockJS clients begin with, without a `/` at its end;
    /// empty for every path.
    pub base: String,
    /// The path that backends see for every session; `None`: the base, with `/websocket` behind it
    /// for WebSocket clients.
    pub as_path: Option<String>,
}

impl SockJs {
    /// Serves clients at a path; a `/` at its end plays no part.
    ///
    /// ```
    /// use p8::engine::route::SockJs;
    ///
    /// let sockjs = SockJs::new("/echo/");
    /// assert_eq!(sockjs.below("/echo/info"), Some("/info"));
    /// assert_eq!(sockjs.below("/echo"), Some(""));
    /// assert_eq!(sockjs.below("/echoes"), None);
    /// ```
    pub fn new(base: &str) -> SockJs {
        SockJs {
            base: base.trim_end_matches('/').to_owned(),
            as_path: None,
        }
    }

    /// Gives what follows the base in a request's encoded path: empty, or with a `/` first; `None`
    /// if the request is none of SockJS.
    pub fn below<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix(self.base.as_str())?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }

    /// Gives the path that the backend sees; `is_websocket` for clients that came by WebSocket,
    /// framed or raw.
    pub fn backend_path(&self, is_websocket: bool) -> Cow<'_, str> {
        match (&self.as_path, is_websocket, self.base.as_str()) {
            (Some(path), _, _) => Cow::Borrowed(path),
            (None, true, base) => Cow::Owned(format!("{base}/websocket")),
            (None, false, "") => Cow::Borrowed("/"),
            (None, false, base) => Cow::Borrowed(base),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backends_see_the_base_or_the_path_set() {
        let sockjs = SockJs::new("/echo");
        assert_eq!(sockjs.backend_path(false), "/echo");
        assert_eq!(sockjs.backend_path(true), "/echo/websocket");
        let root = SockJs::new("/");
        assert_eq!(root.backend_path(false), "/");
        assert_eq!(root.backend_path(true), "/websocket");
        assert_eq!(root.below("/info"), Some("/info"));
        let set = SockJs {
            as_path: Some("/x".to_owned()),
            ..sockjs
        };
        assert_eq!(set.backend_path(false), "/x");
        assert_eq!(set.backend_path(true), "/x");
    }
}
