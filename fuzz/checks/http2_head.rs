//! Heads of HTTP/2 streams: any method, address and fields. What passes is a request that HTTP/1 can carry:
//! one `Host`, one kind of body, no line ends.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use p8::engine::framing::{Framing, FramingLimits, StreamHead, Verdict};

/// Checks one input.
pub fn check(input: (&str, &[u8], Option<&str>, bool, &[u8])) {
    let (method, uri, protocol, has_body, lines) = input;
    let (Ok(method), Ok(uri)) = (Method::from_bytes(method.as_bytes()), Uri::try_from(uri)) else {
        return;
    };
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n').take(120) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
            continue;
        };
        let value = HeaderValue::from_bytes(value.trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), value) {
            // What belongs to a connection was refused before.
            if ![
                "connection",
                "transfer-encoding",
                "upgrade",
                "keep-alive",
                "proxy-connection",
                "te",
            ]
            .contains(&name.as_str())
            {
                headers.append(name, value);
            }
        }
    }
    let head = StreamHead {
        method,
        uri,
        protocol: protocol.map(str::to_owned),
        headers,
        has_body,
    };
    let limits = FramingLimits::default();
    match head.into_same_request(limits) {
        Ok(same) => {
            assert_eq!(same.headers.get_all("host").iter().count(), 1);
            let length = same.headers.contains_key("content-length");
            assert!(!length || !same.headers.contains_key("transfer-encoding"));
            let written = written(same.method.as_str(), &same.target, &same.headers);
            let verdict = Framing::new(limits).on_bytes(&written);
            let fits =
                written.len() > limits.head_bytes_max || !matches!(verdict, Verdict::Refuse(_));
            assert!(same.is_websocket || fits, "{verdict:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty() && error.status() >= 400),
    }
}

fn written(method: &str, target: &[u8], headers: &HeaderMap) -> Vec<u8> {
    let mut written = [method.as_bytes(), b" ", target, b" HTTP/1.1\r\n"].concat();
    for (name, value) in headers {
        written.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    written.extend(b"\r\n");
    written
}
