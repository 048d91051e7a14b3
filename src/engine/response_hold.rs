//! The long-poll machine: one request held until an item answers it or its time is over.
//!
//! Not its concern: sockets, subscriptions, the clock. Source: `docs/grip.md#response-hold`.

use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;

use crate::grip::{
    publish::{
        body_patch::{self, PatchError},
        ResponseBody, ResponseFormat, ResponseSend,
    },
    response::Response,
};

/// What an item means for the held request.
#[derive(Debug, PartialEq)]
pub enum Output {
    /// Send this and end the hold.
    Respond(Response),
    /// Ask the backend again with the same request.
    Retry,
    /// The item's patch does not fit the held body: ask the backend again instead.
    Unpatchable(PatchError),
}

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

    /// Takes an item; only the first usable one answers.
    ///
    /// `edit` is what the session's filters make of the content: none if they keep the item away.
    pub fn on_item(
        &mut self,
        format: &ResponseFormat,
        edit: impl FnOnce(Bytes) -> Option<Bytes>,
    ) -> Option<Output> {
        let held = self.timeout_response.as_ref()?;
        let send = match format {
            ResponseFormat::Send(send) => send,
            ResponseFormat::Hint => return Some(Output::Retry),
            ResponseFormat::Close | ResponseFormat::Refresh => return None,
        };
        let content = match &send.body {
            ResponseBody::Bytes(body) => body.clone(),
            ResponseBody::Patch(patch) => match body_patch::apply(&held.body, patch) {
                Ok(body) => body,
                Err(error) => return Some(Output::Unpatchable(error)),
            },
        };
        let body = edit(content)?;
        let held = self.timeout_response.take()?;
        Some(Output::Respond(Response {
            status: send.status,
            reason: send.reason.clone(),
            headers: inherit(held.headers, send),
            body,
        }))
    }

    /// Gives the answer of an item-less end: time is over, or the server drains.
    pub fn on_end(&mut self) -> Option<Output> {
        self.timeout_response.take().map(Output::Respond)
    }

    /// Looks at the clock.
    pub fn on_timer(&mut self, now: Instant) -> Option<Output> {
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

    fn send(headers: &[(&'static str, &'static str)]) -> ResponseFormat {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        ResponseFormat::Send(ResponseSend {
            status: 200,
            reason: None,
            headers: map,
            body: ResponseBody::Bytes(Bytes::from("pushed")),
            content_filters: None,
        })
    }

    #[test]
    fn the_first_item_answers_and_inherits_headers() {
        let (mut hold, _) = held();
        let Some(Output::Respond(answer)) =
            hold.on_item(&send(&[("x-both", "new"), ("x-a", "1")]), Some)
        else {
            panic!("an answer is due")
        };
        assert_eq!(answer.status, 200, "the status comes from the item alone");
        let values: Vec<_> = answer.headers.get_all("x-both").iter().collect();
        assert_eq!(values, ["new"]);
        assert_eq!(answer.headers["x-base"], "base");
        assert_eq!(
            hold.on_item(&send(&[]), Some),
            None,
            "a hold is answered once"
        );
        assert_eq!(hold.deadline(), None);
        assert_eq!(hold.on_end(), None);
    }

    #[test]
    fn a_hint_asks_again_and_other_actions_do_nothing() {
        let (mut hold, _) = held();
        assert_eq!(
            hold.on_item(&ResponseFormat::Hint, Some),
            Some(Output::Retry)
        );
        for action in [ResponseFormat::Close, ResponseFormat::Refresh] {
            assert_eq!(hold.on_item(&action, Some), None);
        }
    }

    #[test]
    fn at_the_deadline_the_held_response_is_sent() {
        let (mut hold, deadline) = held();
        assert_eq!(hold.on_timer(deadline - Duration::from_millis(1)), None);
        let Some(Output::Respond(answer)) = hold.on_timer(deadline) else {
            panic!("time is over")
        };
        assert_eq!(
            (answer.status, &answer.body[..]),
            (404, &b"nothing new"[..])
        );
        assert_eq!(hold.on_timer(deadline), None);
    }
}
