//! Links of an instruction: `Grip-Link` with `rel=next` and `rel=gone`.
//!
//! Requests nothing and resolves nothing; a link is kept as the backend wrote it.

use http::uri::{PathAndQuery, Uri};

use super::error::{excerpt, InstructError};
use super::header_params::{split_list, Element};
use super::lenient;

/// The delay of a next link without one of its own, in seconds.
pub const DEFAULT_TIMEOUT_SECS: u32 = 120;

/// Where a stream goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextLink {
    /// The link as written: an `http` or `https` URI, or a reference relative to the request.
    pub uri: String,
    /// **Units**: seconds of silence after which the link is asked; 0 is passed on as 0.
    pub timeout_secs: u32,
}

/// The links of one instruction; of several with one `rel` the last wins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    /// `rel=next`
    pub next: Option<NextLink>,
    /// `rel=gone`
    pub gone: Option<String>,
}

/// Parses the values of all `Grip-Link` headers.
///
/// **Shape**: `</path?query>; rel=next; timeout=120, <https://host/path>; rel=gone`. Elements
/// without parameters and with other `rel` are ignored.
///
/// **Errors**: a link not in angle brackets, or that cannot be requested; a bad `timeout`.
pub fn parse<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Links, InstructError> {
    let mut links = Links::default();
    for element in split_list(values) {
        let Some(element) = Element::parse(element) else {
            continue;
        };
        if element.params.is_empty() {
            continue;
        }
        let uri = link_uri(element.first)?;
        match element.param("rel") {
            Some(b"next") => {
                let timeout_secs = match element.param("timeout") {
                    None => DEFAULT_TIMEOUT_SECS,
                    Some(secs) => lenient::header_secs(secs)
                        .ok_or_else(|| InstructError::LinkTimeout(excerpt(secs)))?,
                };
                links.next = Some(NextLink { uri, timeout_secs });
            }
            Some(b"gone") => links.gone = Some(uri),
            _ => {}
        }
    }
    Ok(links)
}

fn link_uri(text: &[u8]) -> Result<String, InstructError> {
    let inner = text
        .strip_prefix(b"<")
        .and_then(|rest| rest.strip_suffix(b">"));
    let inner = match inner {
        Some(inner) if !inner.is_empty() => inner,
        _ => return Err(InstructError::LinkSyntax(excerpt(text))),
    };
    match std::str::from_utf8(inner) {
        Ok(uri) if is_requestable(uri) => Ok(uri.to_owned()),
        _ => Err(InstructError::LinkUri(excerpt(inner))),
    }
}

/// Says whether a reference leads to something that HTTP can ask for.
fn is_requestable(reference: &str) -> bool {
    if !reference
        .bytes()
        .all(|byte| byte.is_ascii_graphic() || !byte.is_ascii())
    {
        return false;
    }
    if reference.starts_with("//") {
        return is_absolute(&["http:", reference].concat());
    }
    if let Some((scheme, _)) = scheme_of(reference) {
        let http = ["http", "https"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known));
        return http && is_absolute(reference);
    }
    let path = reference.split('#').next().unwrap_or_default();
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        ["/", path].concat()
    };
    PathAndQuery::try_from(path).is_ok()
}

fn is_absolute(uri: &str) -> bool {
    let Ok(uri) = Uri::try_from(uri) else {
        return false;
    };
    let Some(authority) = uri.authority() else {
        return false;
    };
    // `Uri` lets any digits through as a port.
    let port_fits = match authority.as_str().rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port.parse::<u16>().is_ok(),
        _ => true,
    };
    uri.scheme().is_some() && !authority.host().is_empty() && port_fits
}

/// Cuts a leading `scheme:` off; a colon in a path is none.
fn scheme_of(reference: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = reference.split_once(':')?;
    let mut bytes = scheme.bytes();
    let starts = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic());
    let goes_on = bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    (starts && goes_on).then_some((scheme, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(values: &[&str]) -> Result<Links, InstructError> {
        parse(values.iter().map(|value| value.as_bytes()))
    }

    fn next(uri: &str, timeout_secs: u32) -> Option<NextLink> {
        Some(NextLink {
            uri: uri.to_owned(),
            timeout_secs,
        })
    }

    #[test]
    fn next_and_gone_are_found() {
        for (values, expected_next, expected_gone) in [
            (&["</n>; rel=next"][..], next("/n", 120), None),
            (&["</n?a=b>; rel=next; timeout=0"], next("/n?a=b", 0), None),
            (&["</n>; REL=\"next\"; Timeout=\"5\""], next("/n", 5), None),
            (
                &["</n>; rel=next, </g>; rel=gone"],
                next("/n", 120),
                Some("/g"),
            ),
            (
                &["</n>; rel=next", "</g>; rel=gone"],
                next("/n", 120),
                Some("/g"),
            ),
            (
                &["</n>; rel=next, </m>; rel=next; timeout=9"],
                next("/m", 9),
                None,
            ),
            (&["</n>; rel=NEXT"], None, None),
            (&["</n>; rel=other; timeout=x"], None, None),
            (&["</n>; timeout=5"], None, None),
            (&["</n>", "nonsense", "", ",,"], None, None),
            (&["</n>; rel=\"next"], None, None),
        ] {
            let got = links(values).unwrap();
            assert_eq!(got.next, expected_next, "{values:?}");
            assert_eq!(got.gone.as_deref(), expected_gone, "{values:?}");
        }
    }

    #[test]
    fn requestable_links_are_kept_as_written() {
        for uri in [
            "/",
            "/a/b?c=d&e=%20",
            "/a:b",
            "?after=5",
            "next/2",
            "./2",
            "../up",
            "/a#fragment",
            "http://h/p",
            "https://h:8443/p?q",
            "HTTP://h",
            "http://[::1]:80/p",
            "//host/p",
            "/ž",
        ] {
            let value = format!("<{uri}>; rel=next");
            assert_eq!(links(&[&value]).unwrap().next.unwrap().uri, uri);
        }
    }

    #[test]
    fn bad_links_are_refused() {
        for (value, code) in [
            ("/next; rel=next", "bad-link-syntax"),
            ("<>; rel=next", "bad-link-syntax"),
            ("</a; rel=next", "bad-link-syntax"),
            ("/a>; rel=next", "bad-link-syntax"),
            (">; rel=next", "bad-link-syntax"),
            ("; rel=next", "bad-link-syntax"),
            ("\"</a>\"; rel=next", "bad-link-syntax"),
            ("/x; rel=other", "bad-link-syntax"),
            ("</a;b>; rel=next", "bad-link-syntax"),
            ("<mailto:a@b>; rel=next", "bad-link-uri"),
            ("<ftp://h/>; rel=next", "bad-link-uri"),
            ("<http:>; rel=next", "bad-link-uri"),
            ("<http://>; rel=next", "bad-link-uri"),
            ("<http:///p>; rel=next", "bad-link-uri"),
            ("<http://h:99999/p>; rel=next", "bad-link-uri"),
            ("<//>; rel=next", "bad-link-uri"),
            ("</a b>; rel=gone", "bad-link-uri"),
            ("</a\tb>; rel=gone", "bad-link-uri"),
            ("</n>; rel=next; timeout=x", "bad-link-timeout"),
            ("</n>; rel=next; timeout=-1", "bad-link-timeout"),
            ("</n>; rel=next; timeout=", "bad-link-timeout"),
        ] {
            let error = links(&[value]).unwrap_err();
            assert_eq!(error.code(), code, "{value:?}");
            assert!(error.to_string().contains("Grip-Link"), "{error}");
        }
        let error = parse([&b"</\xff>; rel=next"[..]]).unwrap_err();
        assert_eq!(error.code(), "bad-link-uri");
    }
}
