//! The answers of SockJS that need no session, and the headers that all of its answers carry.

use bytes::Bytes;
use http::header::{
    self, HeaderMap, HeaderValue, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN,
    CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, ORIGIN,
};
use sha1::{Digest, Sha1};

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=UTF-8");
const A_YEAR: HeaderValue = HeaderValue::from_static("public, max-age=31536000");
const NOT_STORED: HeaderValue =
    HeaderValue::from_static("no-store, no-cache, must-revalidate, max-age=0");

/// Makes the body of `/info`; `entropy` is any random number.
pub fn abilities(entropy: u32) -> Bytes {
    Bytes::from(format!(
        "{{\"cookie_needed\":false,\"entropy\":{entropy},\"origins\":[\"*:*\"],\"websocket\":true}}\n"
    ))
}

/// Adds what every answer over HTTP carries: it is not stored, and pages of any origin may read it.
pub fn open(request: &HeaderMap, answer: &mut HeaderMap) {
    answer.append(CACHE_CONTROL, NOT_STORED);
    let any = HeaderValue::from_static("*");
    let origin = request.get(ORIGIN).cloned().unwrap_or(any);
    answer.append(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let yes = HeaderValue::from_static("true");
    answer.append(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
}

/// Makes the headers of an answer: its type, if it has one, and those of [`open`].
pub fn headers(request: &HeaderMap, content_type: Option<&'static str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(content_type) = content_type {
        headers.append(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if content_type != "text/plain" {
            let no_sniffing = HeaderValue::from_static("nosniff");
            headers.append(header::X_CONTENT_TYPE_OPTIONS, no_sniffing);
        }
    }
    open(request, &mut headers);
    headers
}

/// The page through which browsers without cross-origin requests talk: it loads SockJS's script and
/// runs it within the server's origin.
#[derive(Clone, Debug)]
pub struct Iframe {
    html: Bytes,
    etag: HeaderValue,
}

impl Iframe {
    /// Makes the page for a script. The `ETag` is the quoted SHA-1 of the page (Pushpin's is an MD5;
    /// to clients it is opaque).
    pub fn new(sockjs_url: &str) -> Iframe {
        let html = page(&attribute(sockjs_url));
        let mut etag = String::from("\"");
        for byte in Sha1::digest(html.as_bytes()) {
            etag.push_str(&format!("{byte:02x}"));
        }
        etag.push('"');
        Iframe {
            html: Bytes::from(html),
            etag: HeaderValue::from_str(&etag).unwrap_or(HeaderValue::from_static("\"\"")),
        }
    }

    /// Answers a request: 200 with the page, or 304 if the client has it.
    pub fn answer(&self, request: &HeaderMap) -> (u16, HeaderMap, Bytes) {
        let mut headers = HeaderMap::new();
        headers.append(ETAG, self.etag.clone());
        if self.is_known(request) {
            open(request, &mut headers);
            return (304, headers, Bytes::new());
        }
        headers.append(CONTENT_TYPE, HTML);
        headers.append(CACHE_CONTROL, A_YEAR);
        open(request, &mut headers);
        (200, headers, self.html.clone())
    }

    fn is_known(&self, request: &HeaderMap) -> bool {
        let values = request.get_all(IF_NONE_MATCH).iter();
        let mut tags = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        tags.any(|tag| {
            let tag = tag.trim_ascii();
            let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
            tag == b"*" || tag == self.etag.as_bytes()
        })
    }
}

fn attribute(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn page(script: &str) -> String {
    format!(
        r#"<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script src="{script}"></script>
  <script>
    document.domain = document.domain;
    SockJS.bootstrap_iframe();
  </script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(name: header::HeaderName, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.append(name, HeaderValue::from_str(value).unwrap());
        headers
    }

    fn values<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
        let values = headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap()).collect()
    }

    #[test]
    fn what_the_server_can_do_is_one_line() {
        assert_eq!(
            abilities(u32::MAX),
            "{\"cookie_needed\":false,\"entropy\":4294967295,\"origins\":[\"*:*\"],\
             \"websocket\":true}\n"
        );
    }

    #[test]
    fn answers_are_read_by_any_origin_and_not_stored() {
        let plain = headers(&HeaderMap::new(), Some("text/plain"));
        let lines: Vec<_> = plain
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        assert_eq!(
            lines,
            [
                ("content-type", "text/plain"),
                (
                    "cache-control",
                    "no-store, no-cache, must-revalidate, max-age=0"
                ),
                ("access-control-allow-origin", "*"),
                ("access-control-allow-credentials", "true"),
            ]
        );
        let of_page = headers(&request(ORIGIN, "https://a.test"), None);
        let origin = values(&of_page, "access-control-allow-origin");
        assert_eq!(origin, ["https://a.test"]);
        let call = headers(&HeaderMap::new(), Some("application/javascript"));
        assert_eq!(values(&call, "x-content-type-options"), ["nosniff"]);
    }

    #[test]
    fn the_page_loads_the_script_and_is_kept_for_a_year() {
        let iframe = Iframe::new("https://a.test/s.js?a&b\"<x>");
        let (status, headers, body) = iframe.answer(&HeaderMap::new());
        assert_eq!(status, 200);
        assert_eq!(
            values(&headers, "content-type"),
            ["text/html; charset=UTF-8"]
        );
        assert_eq!(
            values(&headers, "cache-control"),
            [
                "public, max-age=31536000",
                "no-store, no-cache, must-revalidate, max-age=0"
            ]
        );
        let html = std::str::from_utf8(&body).unwrap();
        let script = "<script src=\"https://a.test/s.js?a&amp;b&quot;&lt;x&gt;\"></script>";
        assert!(html.contains(script), "{html}");
        let etag = values(&headers, "etag").concat();
        assert_eq!((etag.len(), etag.matches('"').count()), (42, 2));
    }

    #[test]
    fn a_known_page_is_not_sent_again() {
        let iframe = Iframe::new("/s.js");
        let (_, headers, _) = iframe.answer(&HeaderMap::new());
        let etag = values(&headers, "etag").concat();
        for tags in [etag.clone(), format!("\"x\", W/{etag}"), "*".to_owned()] {
            let (status, headers, body) = iframe.answer(&request(IF_NONE_MATCH, &tags));
            assert_eq!((status, body.len()), (304, 0));
            assert_eq!(values(&headers, "etag"), [etag.as_str()]);
            assert!(!headers.contains_key("content-type"));
        }
        let (status, ..) = iframe.answer(&request(IF_NONE_MATCH, "\"x\""));
        assert_eq!(status, 200);
        let other = Iframe::new("/t.js").answer(&HeaderMap::new()).1;
        assert_ne!(values(&other, "etag"), [etag]);
    }
}
