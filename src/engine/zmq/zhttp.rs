//! Packets of backends that take one for a request and send one back (`zhttpreq`).
//!
//! **Shape**: the letter `T` and a map. A request: `id`, `from`, `method`, `uri`, `headers` (pairs),
//! `body`, `max-size`, and `ignore-policies`, `ignore-tls-errors`, `trust-connect-host` where true. An
//! answer: `id`, `code`, `reason`, `headers`, `body`; or `type` with the value `error`, and a
//! `condition`.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::tnetstring::{TnetstringError, Value};

/// Longest body of a request, and of an answer that is asked for, in bytes.
pub const BODY_MAX: usize = 1_000_000;

/// Longest id that is looked at, in bytes.
const ID_MAX: usize = 100;

/// What a backend is asked.
#[derive(Debug)]
pub struct Request<'a> {
    /// Its name, which comes back with the answer.
    pub id: &'a str,
    /// Who asks.
    pub from: &'a str,
    /// Its method.
    pub method: &'a str,
    /// The whole URI.
    pub uri: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// The backend may ask any address for it.
    pub ignore_policies: bool,
    /// The backend need not verify certificates.
    pub ignore_tls_errors: bool,
    /// The backend verifies the host that it connects to.
    pub trust_connect_host: bool,
}

impl Request<'_> {
    /// Writes the packet.
    pub fn packet(&self) -> Bytes {
        let text = |text: &str| Value::bytes(text.to_owned());
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            let value = Bytes::copy_from_slice(value.as_bytes());
            Value::List(vec![text(name.as_str()), Value::Bytes(value)])
        };
        let mut pairs = vec![
            ("id", text(self.id)),
            ("from", text(self.from)),
            ("max-size", Value::Int(BODY_MAX as i64)),
            ("method", text(self.method)),
            ("uri", text(self.uri)),
            (
                "headers",
                Value::List(self.headers.iter().map(header).collect()),
            ),
        ];
        let flags = [
            ("ignore-policies", self.ignore_policies),
            ("ignore-tls-errors", self.ignore_tls_errors),
            ("trust-connect-host", self.trust_connect_host),
        ];
        let flags = flags.into_iter().filter(|(_, is_set)| *is_set);
        pairs.extend(flags.map(|(key, _)| (key, Value::Bool(true))));
        if !self.body.is_empty() {
            pairs.push(("body", Value::Bytes(self.body.clone())));
        }
        let mut packet = vec![b'T'];
        Value::map(pairs).write(&mut packet);
        packet.into()
    }
}

/// A packet of a backend, so far that one knows whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    /// The request that it answers.
    pub id: Bytes,
    fields: Value,
}

/// What a backend answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub code: u16,
    /// The reason phrase.
    pub reason: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Says why there is no answer in a packet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZhttpError {
    /// It does not begin with `T`.
    #[error("expected a packet that begins with T")]
    Format,
    /// What is behind that is no value.
    #[error("bad packet: {0}")]
    Value(#[from] TnetstringError),
    /// It does not say what it answers.
    #[error("expected an id of at most 100 bytes")]
    Id,
    /// A field is missing or of another type.
    #[error("bad field {0}")]
    Field(&'static str),
    /// It is one part of several.
    #[error("expected the whole answer in one packet")]
    More,
    /// The backend says that it cannot answer.
    #[error("the backend answered with the condition {0}")]
    Condition(Condition),
}

/// Why a backend cannot answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// What it asks does not want this request.
    PolicyViolation,
    /// What it asks refused the connection.
    ConnectionFailed,
    /// What it asks did not accept the connection in time.
    ConnectionTimeout,
    /// There was no TLS connection.
    TlsError,
    /// The request needs a length.
    LengthRequired,
    /// The connection broke.
    Disconnected,
    /// Anything else.
    Generic,
}

impl Condition {
    fn of(name: &[u8]) -> Condition {
        match name {
            b"policy-violation" => Condition::PolicyViolation,
            b"remote-connection-failed" => Condition::ConnectionFailed,
            b"connection-timeout" => Condition::ConnectionTimeout,
            b"tls-error" => Condition::TlsError,
            b"length-required" => Condition::LengthRequired,
            b"disconnected" => Condition::Disconnected,
            _ => Condition::Generic,
        }
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Condition::PolicyViolation => "policy-violation",
            Condition::ConnectionFailed => "remote-connection-failed",
            Condition::ConnectionTimeout => "connection-timeout",
            Condition::TlsError => "tls-error",
            Condition::LengthRequired => "length-required",
            Condition::Disconnected => "disconnected",
            Condition::Generic => "generic",
        })
    }
}

impl Packet {
    /// Reads a packet so far that one knows whose it is.
    ///
    /// **Errors**: it is none, or has no id.
    pub fn read(packet: &Bytes) -> Result<Packet, ZhttpError> {
        if packet.first() != Some(&b'T') {
            return Err(ZhttpError::Format);
        }
        let fields = Value::read(&packet.slice(1..))?;
        let id = fields.get("id").and_then(Value::as_bytes);
        let id = id.filter(|id| !id.is_empty() && id.len() <= ID_MAX);
        let id = id.ok_or(ZhttpError::Id)?.clone();
        Ok(Packet { id, fields })
    }

    /// Takes the answer out of it.
    ///
    /// **Errors**: the backend's condition, or a field that is missing or wrong.
    pub fn answer(&self) -> Result<Answer, ZhttpError> {
        let bytes = |key| self.fields.get(key).and_then(Value::as_bytes);
        match bytes("type").map(|kind| &kind[..]) {
            Some(b"error") => {
                let condition = bytes("condition").map_or(&b""[..], |name| &name[..]);
                return Err(ZhttpError::Condition(Condition::of(condition)));
            }
            Some(b"data") | None => {}
            Some(_) => return Err(ZhttpError::Field("type")),
        }
        if self.fields.get("more") == Some(&Value::Bool(true)) {
            return Err(ZhttpError::More);
        }
        let code = match self.fields.get("code") {
            Some(Value::Int(code @ 200..=999)) => *code as u16,
            _ => return Err(ZhttpError::Field("code")),
        };
        let reason = bytes("reason").map_or(Ok(""), |reason| text(reason));
        let reason = reason.map_err(|()| ZhttpError::Field("reason"))?;
        let body = match self.fields.get("body") {
            None => Bytes::new(),
            Some(Value::Bytes(body)) if body.len() <= BODY_MAX => body.clone(),
            Some(_) => return Err(ZhttpError::Field("body")),
        };
        Ok(Answer {
            code,
            reason: reason.to_owned(),
            headers: self.headers()?,
            body,
        })
    }

    fn headers(&self) -> Result<HeaderMap, ZhttpError> {
        let bad = || ZhttpError::Field("headers");
        let mut headers = HeaderMap::new();
        let pairs = match self.fields.get("headers") {
            None => return Ok(headers),
            Some(Value::List(pairs)) => pairs,
            Some(_) => return Err(bad()),
        };
        for pair in pairs {
            let Value::List(pair) = pair else {
                return Err(bad());
            };
            let [Value::Bytes(name), Value::Bytes(value)] = pair.as_slice() else {
                return Err(bad());
            };
            let name = HeaderName::from_bytes(name).map_err(|_| bad())?;
            let value = HeaderValue::from_maybe_shared(value.clone()).map_err(|_| bad())?;
            headers.try_append(name, value).map_err(|_| bad())?;
        }
        Ok(headers)
    }
}

/// Reads a reason phrase.
fn text(bytes: &[u8]) -> Result<&str, ()> {
    let text = std::str::from_utf8(bytes).map_err(|_| ())?;
    let is_plain = text.bytes().all(|byte| byte >= b' ' && byte != 0x7f);
    is_plain.then_some(text).ok_or(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(fields: &[(&str, Value)]) -> Bytes {
        let pairs = fields.iter().cloned();
        let pairs = pairs.map(|(key, value)| (Bytes::from(key.to_owned()), value));
        let mut packet = vec![b'T'];
        Value::Map(pairs.collect()).write(&mut packet);
        packet.into()
    }

    fn id() -> (&'static str, Value) {
        ("id", Value::bytes("i"))
    }

    #[test]
    fn a_request_has_the_fields_that_backends_know() {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("a"));
        let request = Request {
            id: "1",
            from: "p-8",
            method: "POST",
            uri: "http://a/b",
            headers: &headers,
            body: Bytes::from("x"),
            ignore_policies: true,
            ignore_tls_errors: false,
            trust_connect_host: false,
        };
        let expected =
            "T145:2:id,1:1,4:from,3:p-8,8:max-size,7:1000000#6:method,4:POST,3:uri,10:http://a/b,\
                        7:headers,15:11:4:host,1:a,]]15:ignore-policies,4:true!4:body,1:x,}";
        assert_eq!(request.packet(), expected);
    }

    #[test]
    fn an_answer_is_taken_out_of_its_packet() {
        let header = |name: &'static str, value: &'static str| {
            Value::List(vec![Value::bytes(name), Value::bytes(value)])
        };
        let headers = Value::List(vec![header("X-A", "1"), header("X-A", "2")]);
        let bytes = packet(&[
            id(),
            ("code", Value::Int(404)),
            ("reason", Value::bytes("Gone Fishing")),
            ("headers", headers),
            ("body", Value::bytes("no")),
            ("extra", Value::Null),
        ]);
        let packet = Packet::read(&bytes).unwrap();
        assert_eq!(packet.id, "i");
        let answer = packet.answer().unwrap();
        assert_eq!((answer.code, answer.reason.as_str()), (404, "Gone Fishing"));
        assert_eq!(answer.headers.get_all("x-a").iter().count(), 2);
        assert_eq!(answer.body, "no");
    }

    #[test]
    fn conditions_are_told_apart() {
        for (name, condition) in [
            ("policy-violation", Condition::PolicyViolation),
            ("remote-connection-failed", Condition::ConnectionFailed),
            ("connection-timeout", Condition::ConnectionTimeout),
            ("tls-error", Condition::TlsError),
            ("length-required", Condition::LengthRequired),
            ("disconnected", Condition::Disconnected),
            ("other", Condition::Generic),
            ("", Condition::Generic),
        ] {
            let fields = [
                id(),
                ("type", Value::bytes("error")),
                ("condition", Value::bytes(name)),
            ];
            let answer = Packet::read(&packet(&fields)).unwrap().answer();
            assert_eq!(answer, Err(ZhttpError::Condition(condition)), "{name}");
        }
    }

    #[test]
    fn bad_packets_name_what_is_wrong() {
        for bytes in ["", "T", "J{}", "T3:0:~]", "Tx"] {
            assert!(Packet::read(&Bytes::from(bytes)).is_err(), "{bytes}");
        }
        let code = || ("code", Value::Int(200));
        let long = Value::bytes(vec![b'x'; BODY_MAX + 1]);
        let split = Value::List(vec![Value::List(vec![
            Value::bytes("a"),
            Value::bytes("b\r\nc: d"),
        ])]);
        for (fields, field) in [
            (vec![id()], "code"),
            (vec![id(), ("code", Value::Int(101))], "code"),
            (vec![id(), ("code", Value::Int(1000))], "code"),
            (vec![id(), ("code", Value::bytes("200"))], "code"),
            (vec![id(), code(), ("type", Value::bytes("credit"))], "type"),
            (vec![id(), code(), ("body", Value::Int(1))], "body"),
            (vec![id(), code(), ("body", long)], "body"),
            (
                vec![id(), code(), ("reason", Value::bytes("a\r\nb"))],
                "reason",
            ),
            (vec![id(), code(), ("headers", Value::Null)], "headers"),
            (vec![id(), code(), ("headers", split)], "headers"),
        ] {
            let answer = Packet::read(&packet(&fields)).unwrap().answer();
            assert_eq!(answer, Err(ZhttpError::Field(field)));
        }
        let more = packet(&[id(), code(), ("more", Value::Bool(true))]);
        assert_eq!(Packet::read(&more).unwrap().answer(), Err(ZhttpError::More));
        for id in [
            Value::bytes(""),
            Value::Int(1),
            Value::bytes(vec![b'x'; 101]),
        ] {
            assert_eq!(Packet::read(&packet(&[("id", id)])), Err(ZhttpError::Id));
        }
    }
}
