//! A request of an HTTP/2 stream, written as the HTTP/1.1 request that means the same: what is behind
//! the guard knows one kind only.
//!
//! Frames, header compression, pseudo-headers and connection-specific headers were checked before; what
//! HTTP/1 is refused for beyond that is refused here too. Source: RFC 9113 section 8, RFC 8441.

use bytes::Bytes;
use http::{
    header::{
        HeaderMap, HeaderValue, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, TRANSFER_ENCODING,
        UPGRADE,
    },
    Method, Uri,
};

use super::{head, target, FramingError, FramingLimits};

/// The head of a stream.
#[derive(Debug)]
pub struct StreamHead {
    /// `:method`.
    pub method: Method,
    /// `:authority` and `:path`.
    pub uri: Uri,
    /// `:protocol`, which only CONNECT has.
    pub protocol: Option<String>,
    /// All other fields.
    pub headers: HeaderMap,
    /// The head does not end the stream.
    pub has_body: bool,
}

/// The HTTP/1.1 request that means the same.
#[derive(Debug)]
pub struct SameRequest {
    /// Its method.
    pub method: Method,
    /// Its target, in origin form or `*`.
    pub target: Bytes,
    /// Its headers, with one `Host`; a body of unknown length is announced as chunked.
    pub headers: HeaderMap,
    /// It asks for a WebSocket; its key is still to be added.
    pub is_websocket: bool,
}

impl StreamHead {
    /// Checks the head and writes it anew.
    ///
    /// **Bounds**: `headers_max` headers; the size of the head is the connection's to bound.
    pub fn into_same_request(self, limits: FramingLimits) -> Result<SameRequest, FramingError> {
        let is_websocket = match (&self.method, &self.protocol) {
            (&Method::CONNECT, Some(protocol)) if protocol.eq_ignore_ascii_case("websocket") => {
                true
            }
            (&Method::CONNECT, _) | (_, Some(_)) => return Err(FramingError::Connect),
            _ => false,
        };
        let method = if is_websocket {
            Method::GET
        } else {
            self.method
        };
        let target = self.uri.path_and_query();
        let target = target.map_or("/", |target| target.as_str()).as_bytes();
        let target = target::of_stream(method.as_str().as_bytes(), target)?;
        let mut headers = self.headers;
        set_host(&mut headers, self.uri.authority().map(|host| host.as_str()))?;
        join_cookies(&mut headers)?;
        let has_length = has_length(&headers)?;
        if headers.len() > limits.headers_max {
            return Err(FramingError::TooManyHeaders);
        }
        if is_websocket {
            if has_length {
                return Err(FramingError::WebSocketBody);
            }
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        } else if self.has_body && !has_length {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        Ok(SameRequest {
            method,
            target,
            headers,
            is_websocket,
        })
    }
}

/// The authority stands for `Host`; if both are there they must name the same.
fn set_host(headers: &mut HeaderMap, authority: Option<&str>) -> Result<(), FramingError> {
    let mut hosts = headers.get_all(HOST).iter();
    let (host, more) = (hosts.next(), hosts.next());
    if more.is_some() {
        return Err(FramingError::RepeatedHost);
    }
    let named = [
        authority.map(str::as_bytes),
        host.map(HeaderValue::as_bytes),
    ];
    if named.iter().flatten().any(|host| !target::is_host(host)) {
        return Err(FramingError::InvalidHost);
    }
    if let [Some(authority), Some(host)] = named {
        if !authority.eq_ignore_ascii_case(host) {
            return Err(FramingError::TargetHostMismatch);
        }
    }
    if host.is_none() {
        let host = HeaderValue::from_str(authority.unwrap_or("localhost"));
        headers.insert(HOST, host.map_err(|_| FramingError::InvalidHost)?);
    }
    Ok(())
}

/// Cookies may come in crumbs, which compress better; HTTP/1 has them in one header.
fn join_cookies(headers: &mut HeaderMap) -> Result<(), FramingError> {
    let crumbs: Vec<_> = headers.get_all(COOKIE).iter().collect();
    if crumbs.len() < 2 {
        return Ok(());
    }
    let crumbs: Vec<_> = crumbs.into_iter().map(HeaderValue::as_bytes).collect();
    let joined = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]));
    headers.insert(
        COOKIE,
        joined.map_err(|_| FramingError::InvalidHeaderValue)?,
    );
    Ok(())
}

fn has_length(headers: &HeaderMap) -> Result<bool, FramingError> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let (length, more) = (lengths.next(), lengths.next());
    if more.is_some() {
        return Err(FramingError::RepeatedContentLength);
    }
    let length = length.map(|length| head::content_length(length.as_bytes()));
    Ok(length.transpose()?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(method: &str, uri: &str, headers: &[(&str, &str)]) -> StreamHead {
        let header = |(name, value): &(&str, &str)| {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        };
        StreamHead {
            method: method.parse().unwrap(),
            uri: uri.parse().unwrap(),
            protocol: None,
            headers: headers.iter().map(header).collect(),
            has_body: false,
        }
    }

    fn same(stream: StreamHead) -> Result<SameRequest, FramingError> {
        stream.into_same_request(FramingLimits::default())
    }

    #[test]
    fn the_authority_becomes_the_host_and_crumbs_one_cookie() {
        let crumbs = [("cookie", "a=1"), ("cookie", "b=2"), ("x", "y")];
        let request = same(stream("GET", "http://example.com:81/a?b`", &crumbs)).unwrap();
        assert_eq!(request.target, "/a?b`");
        assert_eq!(request.headers[HOST], "example.com:81");
        assert_eq!(request.headers[COOKIE], "a=1; b=2");
        assert_eq!(request.headers.get_all(COOKIE).iter().count(), 1);
        let request = same(stream("GET", "/", &[("host", "h")])).unwrap();
        assert_eq!(request.headers[HOST], "h");
        let request = same(stream("GET", "/", &[])).unwrap();
        assert_eq!(request.headers[HOST], "localhost");
    }

    #[test]
    fn bodies_of_unknown_length_are_chunked() {
        let mut unknown = stream("POST", "http://h/", &[]);
        unknown.has_body = true;
        let request = same(unknown).unwrap();
        assert_eq!(request.headers[TRANSFER_ENCODING], "chunked");
        let mut known = stream("POST", "http://h/", &[("content-length", "3")]);
        known.has_body = true;
        let request = same(known).unwrap();
        assert!(!request.headers.contains_key(TRANSFER_ENCODING));
    }

    #[test]
    fn extended_connect_is_a_handshake_and_every_other_connect_is_refused() {
        let connect = |protocol: Option<&str>| {
            let mut stream = stream(
                "CONNECT",
                "http://h/chat",
                &[("sec-websocket-version", "13")],
            );
            stream.protocol = protocol.map(str::to_owned);
            same(stream)
        };
        let request = connect(Some("websocket")).unwrap();
        assert!(request.is_websocket && request.method == Method::GET);
        assert_eq!(request.headers[UPGRADE], "websocket");
        assert_eq!(request.target, "/chat");
        for refused in [None, Some("connect-udp")] {
            assert_eq!(connect(refused).unwrap_err(), FramingError::Connect);
        }
    }

    #[test]
    fn what_http1_is_refused_for_is_refused() {
        use FramingError as E;
        let many: Vec<_> = (0..65).map(|_| ("x", "y")).collect();
        for (uri, headers, error) in [
            ("http://a/", &[("host", "b")][..], E::TargetHostMismatch),
            ("/", &[("host", "a"), ("host", "a")], E::RepeatedHost),
            ("http://user@a/", &[], E::InvalidHost),
            ("/", &[("host", "a,b")], E::InvalidHost),
            (
                "http://a/",
                &[("content-length", "1"), ("content-length", "1")],
                E::RepeatedContentLength,
            ),
            (
                "http://a/",
                &[("content-length", "+1")],
                E::InvalidContentLength,
            ),
            ("http://a/", &many, E::TooManyHeaders),
        ] {
            assert_eq!(
                same(stream("GET", uri, headers)).unwrap_err(),
                error,
                "{uri} {headers:?}"
            );
        }
    }

    #[test]
    fn only_options_has_a_star() {
        let star = |method: &str| {
            let mut head = stream(method, "/", &[]);
            head.uri = Uri::from_static("*");
            same(head)
        };
        assert_eq!(star("OPTIONS").unwrap().target, "*");
        assert_eq!(star("GET").unwrap_err(), FramingError::StarTarget);
    }
}
