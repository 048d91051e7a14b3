//! A request's path and headers in one small allocation, for sessions that repeat them.
//!
//! **Shape**: `path LF (name ":" value LF)*`; neither names nor values have line feeds.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

/// A path with headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Compact(Box<[u8]>);

impl Compact {
    /// Packs a path and headers.
    pub(super) fn new(path: &str, headers: &HeaderMap) -> Self {
        let size =
            |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 2;
        let size = path.len() + 1 + headers.iter().map(size).sum::<usize>();
        let mut packed = BytesMut::with_capacity(size);
        packed.put_slice(path.as_bytes());
        packed.put_u8(b'\n');
        for (name, value) in headers {
            packed.put_slice(name.as_str().as_bytes());
            packed.put_u8(b':');
            packed.put_slice(value.as_bytes());
            packed.put_u8(b'\n');
        }
        Self(Vec::from(packed).into_boxed_slice())
    }

    /// Unpacks them; values share the memory of the packed ones.
    pub(super) fn unpack(&self) -> (String, HeaderMap) {
        let packed = Bytes::copy_from_slice(&self.0);
        let mut lines = packed.split(|byte| *byte == b'\n');
        let path = lines.next().unwrap_or_default();
        let mut headers = HeaderMap::with_capacity(24);
        for line in lines {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else {
                continue;
            };
            let (name, value) = line.split_at(colon);
            let value = packed.slice_ref(value).slice(1..);
            let name = HeaderName::from_bytes(name);
            let value = HeaderValue::from_maybe_shared(value);
            if let (Ok(name), Ok(value)) = (name, value) {
                headers.append(name, value);
            }
        }
        (String::from_utf8_lossy(path).into_owned(), headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again() {
        let mut headers = HeaderMap::new();
        headers.append("host", HeaderValue::from_static("a.example:80"));
        headers.append("x-a", HeaderValue::from_static("1: 2"));
        headers.append("x-a", HeaderValue::from_static(""));
        headers.append("x-b", HeaderValue::from_bytes("☃".as_bytes()).unwrap());
        let compact = Compact::new("/path?q=a:b", &headers);
        assert_eq!(compact.unpack(), ("/path?q=a:b".to_owned(), headers));
        let empty = Compact::new("/", &HeaderMap::new());
        assert_eq!(empty.unpack(), ("/".to_owned(), HeaderMap::new()));
    }
}
