//! Input as headers: one `Name: value` a line, any bytes; lines that are none are left out.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Returns the headers among the first lines.
pub fn headers(input: &[u8], lines_max: usize) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n').take(lines_max) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
            continue;
        };
        let value = HeaderValue::from_bytes(value.trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), value) {
            headers.append(name, value);
        }
    }
    headers
}
