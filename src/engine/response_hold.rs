//! The long-poll machine: one request held until an item answers it or its time is over.
//!
//! Not its concern: sockets, subscriptions, the clock. Source: `docs/grip.md#response-hold`.

use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;

use crate::grip::{
    publish::{
        body_patch::{self, PatchError},
        ResponseBody, ResponseSend,
    },
    response::Response,
};

/// A held request that waits for its answer.
#[derive(Debug)]
pub struct ResponseHold {
    /// Sent when the time is over; its headers are the base of a pushed answer. None once answered.
    timeout_response: Option<Response>,
    deadline: Instant,
}

impl ResponseHold {
    /// Begins the hold.
    pub fn new(timeout_response: Response, deadline: Instant) -> Self {
        Self {
            timeout_response: Some(timeout_response),
            deadline,
        }
    }

    /// Returns when [`ResponseHold::on_timer`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.timeout_response.as_ref().map(|_| self.deadline)
    }

    /// Returns the content of an item, before filters.
    ///
    /// **Errors**: its patch does not fit the held body.
    pub fn content(&self, send: &ResponseSend) -> Result<Bytes, PatchError> {
        match (&send.body, &self.timeout_response) {
            (ResponseBody::Bytes(body), _) => Ok(body.clone()),
            (ResponseBody::Patch(patch), Some(held)) => body_patch::apply(&held.body, patch),
            (ResponseBody::Patch(_), None) => Err(PatchError::Body),
        }
    }

    /// Makes the answer of an item and its content; only the first one answers.
    pub fn answer(&mut self, send: &ResponseSend, content: Bytes) -> Option<Response> {
        let held = self.timeout_response.take()?;
        Some(Response {
            status: send.status,
            reason: send.reason.clone(),
            headers: inherit(held.headers, send),
            body: content,
        })
    }

    /// Gives the answer of an item-less end: time is over, or the server drains.
    pub fn on_end(&mut self) -> Option<Response> {
        self.timeout_response.take()
    }

    /// Looks at the clock.
    pub fn on_timer(&mut self, now: Instant) -> Option<Response> {
        if now < self.deadline {
            return None;
        }
        self.on_end()
    }
}

/// Starts from the held response's headers; each name that the item sets replaces all of that name.
fn inherit(mut headers: HeaderMap, send: &ResponseSend) -> HeaderMap {
    for name in send.headers.keys() {
        headers.remove(name);
    }
    headers.extend(send.headers.clone());
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use std::time::Duration;

    fn held() -> (ResponseHold, Instant) {
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-base", "base"), ("x-both", "old"), ("x-both", "older")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let body = Bytes::from("nothing new");
        let response = Response {
            status: 404,
            reason: None,
            headers,
            body,
        };
        let deadline = Instant::now() + Duration::from_secs(5);
        (ResponseHold::new(response, deadline), deadline)
    }

    fn send(headers: &[(&'static str, &'static str)]) -> ResponseSend {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        ResponseSend {
            status: 200,
            reason: None,
            headers: map,
            body: ResponseBody::Bytes(Bytes::from("pushed")),
            content_filters: None,
        }
    }

    #[test]
    fn the_first_item_answers_and_inherits_headers() {
        let (mut hold, _) = held();
        let item = send(&[("x-both", "new"), ("x-a", "1")]);
        let content = hold.content(&item).unwrap();
        let answer = hold.answer(&item, content).expect("an answer is due");
        assert_eq!(answer.status, 200, "the status comes from the item alone");
        let values: Vec<_> = answer.headers.get_all("x-both").iter().collect();
        assert_eq!(values, ["new"]);
        assert_eq!(answer.headers["x-base"], "base");
        assert_eq!(answer.body, "pushed");
        let again = hold.answer(&item, Bytes::new());
        assert_eq!(again, None, "a hold is answered once");
        assert_eq!(hold.deadline(), None);
        assert_eq!(hold.on_end(), None);
    }

    #[test]
    fn at_the_deadline_the_held_response_is_sent() {
        let (mut hold, deadline) = held();
        assert_eq!(hold.on_timer(deadline - Duration::from_millis(1)), None);
        let answer = hold.on_timer(deadline).expect("time is over");
        assert_eq!(
            (answer.status, &answer.body[..]),
            (404, &b"nothing new"[..])
        );
        assert_eq!(hold.on_timer(deadline), None);
    }
}
