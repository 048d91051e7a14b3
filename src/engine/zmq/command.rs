//! Commands that come over ZeroMQ, and their answers: tnetstring maps.
//!
//! ```text
//! {"id": "7", "method": "publish", "args": {"items": [...]}}
//! {"id": "7", "success": true, "value": null}
//! {"id": "7", "success": false, "condition": "bad-request", "value": "what is wrong"}
//! ```
//!
//! Source: `docs/control-api.md#commands-over-zeromq`.

use bytes::Bytes;

use super::{
    item::{to_json, ItemError},
    tnetstring::Value,
};
use crate::grip::{
    channel::ChannelName,
    publish::{parse_items, Item},
};

/// Connections that one `conncheck` may ask about.
const IDS_MAX: usize = 1_000;

/// A command.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Which of these connections there are.
    CheckConnections(Vec<Bytes>),
    /// Where the sockets are.
    ListUris,
    /// Sessions ask their backends again.
    Recover,
    /// The backend of this WebSocket is asked.
    RefreshConnection(Bytes),
    /// The backends of all WebSockets on this channel are asked.
    RefreshChannel(ChannelName),
    /// Items.
    Publish(Vec<Item>),
}

/// Says why a command has not been carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// The stable word.
    pub condition: &'static str,
    /// What is wrong.
    pub text: String,
}

/// A request: who asks, and what.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Comes back with the answer.
    pub id: Option<Value>,
    /// What is to be done, or why it cannot be.
    pub command: Result<Command, Refusal>,
}

impl Refusal {
    /// Makes a refusal.
    pub fn new(condition: &'static str, text: impl ToString) -> Refusal {
        let text = text.to_string();
        Refusal { condition, text }
    }

    fn bad_request(text: impl ToString) -> Refusal {
        Refusal::new("bad-request", text)
    }
}

impl Request {
    /// Reads a request; none if it is no map, so that nobody can be answered.
    pub fn read(frame: &Bytes) -> Option<Request> {
        let request = Value::read(frame).ok()?;
        if !matches!(request, Value::Map(_)) {
            return None;
        }
        let method = request.get("method").and_then(Value::as_bytes);
        let args = request.get("args");
        Some(Request {
            id: request.get("id").cloned(),
            command: match method {
                Some(method) => command(method, args),
                None => Err(Refusal::bad_request("expected 'method'")),
            },
        })
    }

    /// Writes the answer.
    pub fn answer(&self, outcome: Result<Value, Refusal>) -> Vec<u8> {
        let mut answer = Vec::new();
        let mut add = |key: &'static str, value| answer.push((Bytes::from(key), value));
        let _ = self.id.clone().map(|id| add("id", id));
        add("success", Value::Bool(outcome.is_ok()));
        match outcome {
            Ok(value) => add("value", value),
            Err(Refusal { condition, text }) => {
                add("condition", Value::bytes(condition));
                add("value", Value::bytes(text));
            }
        }
        let mut bytes = Vec::new();
        Value::Map(answer).write(&mut bytes);
        bytes
    }
}

fn command(method: &[u8], args: Option<&Value>) -> Result<Command, Refusal> {
    let arg = |key| args.and_then(|args| args.get(key));
    match method {
        b"conncheck" => check_connections(arg("ids")),
        b"get-zmq-uris" => Ok(Command::ListUris),
        b"recover" => Ok(Command::Recover),
        b"refresh" => match (arg("cid"), arg("channel")) {
            (Some(Value::Bytes(id)), _) => Ok(Command::RefreshConnection(id.clone())),
            (None, Some(Value::Bytes(channel))) => match std::str::from_utf8(channel) {
                Ok(channel) => Ok(Command::RefreshChannel(ChannelName::from(channel))),
                Err(_) => Err(Refusal::bad_request("expected 'channel' in UTF-8")),
            },
            _ => Err(Refusal::bad_request("expected 'cid' or 'channel'")),
        },
        b"publish" => publish(args),
        _ => {
            let text = "expected conncheck, get-zmq-uris, recover, refresh or publish";
            Err(Refusal::new("method-not-found", text))
        }
    }
}

fn check_connections(ids: Option<&Value>) -> Result<Command, Refusal> {
    let expected = || Refusal::bad_request("expected 'ids', a list of at most 1000 texts");
    match ids {
        Some(Value::List(ids)) if ids.len() <= IDS_MAX => {
            let ids: Option<Vec<Bytes>> = ids.iter().map(|id| id.as_bytes().cloned()).collect();
            Ok(Command::CheckConnections(ids.ok_or_else(expected)?))
        }
        _ => Err(expected()),
    }
}

fn publish(args: Option<&Value>) -> Result<Command, Refusal> {
    let args = args.unwrap_or(&Value::Null);
    let items = to_json(args).and_then(|args| Ok(parse_items(args)?));
    items.map(Command::Publish).map_err(|error| match error {
        ItemError::Publish(error) => Refusal::bad_request(error),
        error => Refusal::bad_request(format!("Invalid format: {error}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &'static str, args: Option<Value>) -> Bytes {
        let mut pairs = vec![("id", Value::bytes("7")), ("method", Value::bytes(method))];
        pairs.extend(args.map(|args| ("args", args)));
        let mut bytes = Vec::new();
        Value::map(pairs).write(&mut bytes);
        bytes.into()
    }

    fn read(method: &'static str, args: Option<Value>) -> Result<Command, Refusal> {
        let request = Request::read(&request(method, args)).unwrap();
        assert_eq!(request.id, Some(Value::bytes("7")));
        request.command
    }

    #[test]
    fn commands_are_read() {
        let ids = Value::List(vec![Value::bytes("a"), Value::bytes("b")]);
        let stream = Value::map([("content", Value::bytes("x"))]);
        let item = Value::map([
            ("channel", Value::bytes("a")),
            ("formats", Value::map([("http-stream", stream)])),
        ]);
        for (method, args, expected) in [
            (
                "conncheck",
                Some(Value::map([("ids", ids)])),
                Command::CheckConnections(vec!["a".into(), "b".into()]),
            ),
            ("get-zmq-uris", None, Command::ListUris),
            ("recover", Some(Value::Null), Command::Recover),
            (
                "refresh",
                Some(Value::map([("cid", Value::bytes("c"))])),
                Command::RefreshConnection("c".into()),
            ),
            (
                "refresh",
                Some(Value::map([("channel", Value::bytes("c"))])),
                Command::RefreshChannel(ChannelName::from("c")),
            ),
        ] {
            assert_eq!(read(method, args), Ok(expected), "{method}");
        }
        let args = Value::map([("items", Value::List(vec![item]))]);
        match read("publish", Some(args)) {
            Ok(Command::Publish(items)) => assert_eq!(items[0].channel.as_str(), "a"),
            other => panic!("an item: {other:?}"),
        }
    }

    #[test]
    fn refusals_have_a_condition_and_a_text() {
        let items = |items| Some(Value::map([("items", items)]));
        for (method, args, condition, text) in [
            ("explode", None, "method-not-found", "expected conncheck"),
            ("conncheck", None, "bad-request", "expected 'ids'"),
            (
                "refresh",
                None,
                "bad-request",
                "expected 'cid' or 'channel'",
            ),
            ("publish", None, "bad-request", ""),
            (
                "publish",
                Some(Value::map([])),
                "bad-request",
                "Invalid format: object does not contain 'items'",
            ),
            (
                "publish",
                items(Value::List(vec![Value::map([])])),
                "bad-request",
                "Invalid format: publish item object does not contain 'channel'",
            ),
        ] {
            let refusal = read(method, args).unwrap_err();
            assert_eq!(refusal.condition, condition);
            assert!(refusal.text.starts_with(text), "{refusal}");
        }
    }

    #[test]
    fn answers_are_maps_with_the_id() {
        let request = Request::read(&request("recover", None)).unwrap();
        let read = |bytes: Vec<u8>| Value::read(&Bytes::from(bytes)).unwrap();
        let done = read(request.answer(Ok(Value::Null)));
        assert_eq!(done.get("id"), Some(&Value::bytes("7")));
        assert_eq!(done.get("success"), Some(&Value::Bool(true)));
        assert_eq!(done.get("value"), Some(&Value::Null));
        let refused = read(request.answer(Err(Refusal::new("x", "y"))));
        assert_eq!(refused.get("success"), Some(&Value::Bool(false)));
        assert_eq!(refused.get("condition"), Some(&Value::bytes("x")));
        assert_eq!(refused.get("value"), Some(&Value::bytes("y")));
    }

    #[test]
    fn what_is_no_map_is_nothing_and_damage_is_survived() {
        for bytes in ["", "T0:}", "0:]", "x"] {
            assert_eq!(Request::read(&Bytes::from(bytes)), None, "{bytes}");
        }
        let mut random = fastrand::Rng::with_seed(3);
        let args = Value::map([("items", Value::List(vec![Value::map([])]))]);
        let whole = request("publish", Some(args));
        for _ in 0..5_000 {
            let mut bytes = whole.to_vec();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            if let Some(request) = Request::read(&Bytes::from(bytes)) {
                let _ = request.answer(Ok(Value::Null));
            }
        }
    }
}
