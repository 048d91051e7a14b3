//! How one request's answer is shown to pages of other origins: cross-origin headers, or JSON-P.
//!
//! Read from a request once; applied by whoever sends the answer. Source: `docs/cross-origin.md`.

use http::{HeaderMap, Method};

use super::{
    cross_origin::CrossOrigin,
    jsonp::{self, Call, JsonpError, Rewritten},
    route::Route,
};
use crate::grip::response::Response;

/// How an answer is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presentation {
    cross_origin: Option<CrossOrigin>,
    call: Option<Call>,
}

impl Presentation {
    /// Tells whether answers on a route are shown in any special way.
    pub fn is_wanted(route: &Route) -> bool {
        route.aco || route.jsonp.is_some()
    }

    /// Reads a request, and what the backend is asked instead if it is JSON-P.
    ///
    /// `headers` are those of [`super::cross_origin::READ`]; others are not looked at.
    pub fn of(
        route: &Route,
        method: &Method,
        path_and_query: &str,
        headers: &HeaderMap,
    ) -> (Self, Result<Option<Rewritten>, JsonpError>) {
        let allow = &route.cross_origin_allow;
        let mut presentation = Self {
            cross_origin: route.aco.then(|| CrossOrigin::of(headers, allow)),
            call: None,
        };
        let jsonp = route.jsonp.as_ref().filter(|_| *method == Method::GET);
        let Some(jsonp) = jsonp else {
            return (presentation, Ok(None));
        };
        let rewritten = jsonp::parse(jsonp, path_and_query).map(|asked| {
            asked.map(|(call, rewritten)| {
                presentation.call = Some(call);
                rewritten
            })
        });
        (presentation, rewritten)
    }

    /// Returns the call that the answer becomes an argument of, for JSON-P.
    pub fn call(&self) -> Option<&Call> {
        self.call.as_ref()
    }

    /// Returns the headers it gets otherwise.
    pub fn cross_origin(&self) -> Option<&CrossOrigin> {
        self.cross_origin.as_ref()
    }

    /// Shows the head of a stream, which is never wrapped.
    pub fn open(&self, headers: &mut HeaderMap) {
        if let Some(cross_origin) = &self.cross_origin {
            cross_origin.add_to(headers);
        }
    }

    /// Shows the answer of a response hold.
    pub fn held(&self, mut response: Response) -> Response {
        match &self.call {
            Some(call) => call.wrap_held(&response),
            None => {
                self.open(&mut response.headers);
                response
            }
        }
    }
}
