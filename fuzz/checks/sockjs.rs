//! SockJS: any path, payload, form and query. What is read stays in bounds, and what is encoded comes back.

use p8::engine::sockjs::{
    decode, encode, path, Callback, Endpoint, SocketEndpoint, Wrapping, MESSAGE_MAX,
};

/// Checks one input.
pub fn check(input: (&str, &str, Vec<u8>, Vec<Vec<u8>>)) {
    let (below, query, body, messages) = input;
    if let Some(endpoint) = Endpoint::parse(below) {
        if let Some(session) = endpoint.session() {
            assert!((1..=path::NAME_MAX).contains(&session.as_str().len()));
            assert_eq!(SocketEndpoint::parse(below), Some(SocketEndpoint::Framed));
        }
    }

    for payload in [
        &body[..],
        &decode::jsonp_body(None, &body),
        &decode::jsonp_query(query),
    ] {
        if let Ok(messages) = decode::messages(payload) {
            assert!(messages.iter().all(|message| message.len() <= MESSAGE_MAX));
            assert_eq!(decode::framed(payload), Ok(messages));
        }
    }
    assert_eq!(decode::jsonp_body(Some(b"text/plain"), &body), &body[..]);

    let elements: Vec<_> = messages
        .iter()
        .map(|message| encode::element(message))
        .collect();
    let frame = encode::array(&elements);
    let list = frame.strip_prefix(b"a").unwrap();
    let texts: Vec<_> = messages
        .iter()
        .map(|message| String::from_utf8_lossy(message))
        .collect();
    let decoded: Vec<String> = serde_json::from_slice(list).unwrap();
    assert_eq!(decoded, texts);
    if texts.iter().all(|text| text.len() <= MESSAGE_MAX) {
        assert_eq!(decode::messages(list), Ok(decoded));
    }

    let left = Callback::cut_from(query);
    assert!(left.len() <= query.len() + 1);
    if let Ok(callback) = Callback::of_query(query) {
        let body = Wrapping::Jsonp(callback).body(&frame);
        let (_, call) = std::str::from_utf8(&body).unwrap().split_once('(').unwrap();
        let argument: String = serde_json::from_str(call.strip_suffix(");\n").unwrap()).unwrap();
        assert_eq!(argument.as_bytes(), &frame[..]);
    }
}
