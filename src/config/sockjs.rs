//! The second stage of SockJS: where a route serves its clients, and the script of the iframe page.
//!
//! It answers no client, see `engine::sockjs`.

use super::check::{given, Checker};
use super::error::ConfigError;
use super::file;
use super::routes::{is_path, OneRoute};
use crate::engine::route::SockJs;

/// Checks `[proxy] sockjs_url`; empty means none.
pub(super) fn url(checker: &Checker, written: &file::Proxy) -> Result<Option<String>, ConfigError> {
    let Some(url) = written.sockjs_url.as_ref().filter(|url| !url.is_empty()) else {
        return Ok(None);
    };
    let is_known = ["http://", "https://", "/"]
        .iter()
        .any(|start| url.starts_with(start));
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"'<>".contains(&byte);
    if is_known && url.bytes().all(is_plain) {
        return Ok(Some(url.clone()));
    }
    let expected = "where sockjs.min.js is, such as \"https://cdn.example/sockjs.min.js\"";
    let path = ["proxy", "sockjs_url"];
    Err(checker.origin.wrong(&path, url, expected))
}

impl OneRoute<'_, '_> {
    /// Reads where the route serves SockJS clients, and the path that backends see.
    pub(super) fn sockjs(&mut self, written: &file::Route) -> Result<Option<SockJs>, ConfigError> {
        let Some(base) = written.sockjs.as_deref().filter(|path| !path.is_empty()) else {
            if given(&written.sockjs_as_path) {
                let why = "the route serves no SockJS clients: sockjs is not set";
                self.no_effect("sockjs_as_path", why);
            }
            return Ok(None);
        };
        let expected = "a path, \"/\" first, without a query";
        if !is_path(base) {
            return Err(self.wrong(&["sockjs"], base, expected));
        }
        let as_path = written.sockjs_as_path.clone();
        let as_path = as_path.filter(|path| !path.is_empty());
        if let Some(path) = as_path.as_deref().filter(|path| !is_path(path)) {
            return Err(self.wrong(&["sockjs_as_path"], path, expected));
        }
        let sockjs = SockJs {
            as_path,
            ..SockJs::new(base)
        };
        let front = written.path_beg.as_deref().unwrap_or("");
        if !sockjs.base.starts_with(front) && !front.starts_with(&sockjs.base) {
            self.no_effect("sockjs", "no path begins with both it and path_beg");
        }
        Ok(Some(sockjs))
    }

    fn no_effect(&mut self, key: &str, why: &str) {
        let path: Vec<String> = self.path(&[key]).into_iter().map(str::to_owned).collect();
        self.checker.no_effect(&path, why);
    }
}
