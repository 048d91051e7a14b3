//! The keys of cross-origin headers and JSON-P, of `[proxy]` and of routes.
//!
//! What they do is in `engine::cross_origin` and `engine::jsonp`.

use http::Method;

use super::check::{given, Checker};
use super::error::ConfigError;
use super::file::{self, OneOrMore};
use super::routes::OneRoute;
use crate::engine::jsonp::is_callback;
use crate::engine::route::{Jsonp, JsonpMode, Route};

/// The keys of `[proxy]`, for routes that do not say otherwise.
#[derive(Debug, Default)]
pub(super) struct CrossOriginOfAll {
    is_on: bool,
    allow: Vec<String>,
}

impl CrossOriginOfAll {
    /// Sets a route; JSON-P, which knows no origin, comes with it only where any is allowed.
    pub(super) fn apply(&self, route: &mut Route) {
        route.aco = self.is_on;
        route.cross_origin_allow.clone_from(&self.allow);
        route.jsonp = (self.is_on && self.allow.is_empty()).then(Jsonp::default);
    }
}

/// Reads the keys of `[proxy]`.
pub(super) fn of_all(
    checker: &Checker,
    written: &file::Proxy,
) -> Result<CrossOriginOfAll, ConfigError> {
    let allow = written.cross_origin_allow.as_ref();
    let allow = origins(allow).map_err(|found| {
        let path = ["proxy", "cross_origin_allow"];
        checker.origin.wrong(&path, &found, ORIGINS)
    })?;
    Ok(CrossOriginOfAll {
        is_on: written.auto_cross_origin == Some(true),
        allow,
    })
}

impl OneRoute<'_, '_> {
    /// Reads the keys of a route, which has those of all routes so far.
    pub(super) fn cross_origin(
        &mut self,
        written: &file::Route,
        route: &mut Route,
    ) -> Result<(), ConfigError> {
        route.aco = written.aco.unwrap_or(route.aco);
        if let Some(allow) = &written.cross_origin_allow {
            route.cross_origin_allow = origins(Some(allow))
                .map_err(|found| self.wrong(&["cross_origin_allow"], &found, ORIGINS))?;
        }
        let asked = self.jsonp(written)?;
        if !route.aco {
            route.jsonp = None;
            self.without_effect(written);
            return Ok(());
        }
        let usual = || {
            let is_open = route.cross_origin_allow.is_empty();
            is_open.then(Jsonp::default)
        };
        route.jsonp = asked.or_else(usual);
        Ok(())
    }

    fn without_effect(&mut self, written: &file::Route) {
        let why = "cross-origin is off: neither aco nor auto_cross_origin is set";
        for key in set_keys(written) {
            let place: Vec<String> = self.path(&[key]).into_iter().map(str::to_owned).collect();
            self.checker.no_effect(&place, why);
        }
    }

    /// Reads the keys of JSON-P; `None` if there is none.
    fn jsonp(&self, written: &file::Route) -> Result<Option<Jsonp>, ConfigError> {
        if !set_keys(written).any(|key| key.starts_with("jsonp")) {
            return Ok(None);
        }
        let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let usual = Jsonp::default();
        let default_callback = text(&written.jsonp_defcb);
        if let Some(name) = default_callback.as_ref().filter(|name| !is_callback(name)) {
            let expected = "the name of a JavaScript function such as \"app.show\"";
            return Err(self.wrong(&["jsonp_defcb"], name, expected));
        }
        let default_method = match text(&written.jsonp_defmethod) {
            None => None,
            Some(name) => match Method::from_bytes(name.as_bytes()) {
                Ok(method) if method != Method::CONNECT => Some(method),
                _ => return Err(self.wrong(&["jsonp_defmethod"], &name, "a request method")),
            },
        };
        Ok(Some(Jsonp {
            mode: match written.jsonp_mode {
                Some(file::JsonpMode::Basic) => JsonpMode::Basic,
                Some(file::JsonpMode::Extended) | None => JsonpMode::Extended,
            },
            callback: text(&written.jsonp_cb).unwrap_or(usual.callback),
            body: text(&written.jsonp_body),
            default_callback,
            default_method,
        }))
    }
}

/// Names the keys that a route sets and that do nothing without `aco`.
fn set_keys(written: &file::Route) -> impl Iterator<Item = &'static str> {
    let allow = written.cross_origin_allow.as_ref();
    let keys = [
        (
            "cross_origin_allow",
            allow.is_some_and(|allow| !allow.values.is_empty()),
        ),
        ("jsonp_mode", written.jsonp_mode.is_some()),
        ("jsonp_cb", given(&written.jsonp_cb)),
        ("jsonp_body", given(&written.jsonp_body)),
        ("jsonp_defcb", given(&written.jsonp_defcb)),
        ("jsonp_defmethod", given(&written.jsonp_defmethod)),
    ];
    keys.into_iter()
        .filter(|(_, is_set)| *is_set)
        .map(|(key, _)| key)
}

const ORIGINS: &str = "origins such as \"https://app.example\", or none for any";

/// Reads origins, in lower case as browsers send them.
///
/// **Errors**: gives back the text that is none.
fn origins(written: Option<&OneOrMore>) -> Result<Vec<String>, String> {
    let texts = written.iter().flat_map(|written| &written.values);
    let texts = texts.filter(|text| !text.is_empty());
    texts
        .map(|text| {
            let origin = text.to_ascii_lowercase();
            if is_origin(&origin) {
                Ok(origin)
            } else {
                Err(text.clone())
            }
        })
        .collect()
}

/// Tells whether a text is `null`, or a scheme and a host, with a port or without.
fn is_origin(text: &str) -> bool {
    let is_host = |host: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
        !host.is_empty() && host.bytes().all(is_allowed)
    };
    let is_scheme = |scheme: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        !scheme.is_empty() && scheme.bytes().all(is_allowed)
    };
    text == "null"
        || text
            .split_once("://")
            .is_some_and(|(scheme, host)| is_scheme(scheme) && is_host(host))
}
