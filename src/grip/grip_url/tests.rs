//! Tests of `GRIP_URL`.

use super::*;
use crate::grip::sig::verify;

#[track_caller]
fn parsed(text: &str) -> GripUrl {
    GripUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn authorization(text: &str) -> Option<String> {
    let credentials = parsed(text).credentials?;
    Some(credentials.authorization(2_000).unwrap())
}

#[test]
fn items_are_posted_below_the_path() {
    for (text, expected) in [
        ("http://localhost:5561", "http://localhost:5561/publish/"),
        ("http://localhost:5561/", "http://localhost:5561/publish/"),
        ("HTTPS://example.com", "https://example.com/publish/"),
        ("https://a/realm/x", "https://a/realm/x/publish/"),
        ("https://a/realm//", "https://a/realm//publish/"),
        ("http://u:p@[::1]:8000/", "http://[::1]:8000/publish/"),
        ("http://u:p@a?iss=i&key=k", "http://a/publish/"),
        (
            "http://a?x=1&key=k&verify-iss=i&verify-key=v&y=%26",
            "http://a/publish/?x=1&y=%26",
        ),
        ("http://a:8/p?&", "http://a:8/p/publish/"),
    ] {
        assert_eq!(parsed(text).publish_uri(), expected, "{text}");
    }
}

#[test]
fn what_is_no_url_is_refused_without_repeating_it() {
    for (text, expected) in [
        ("", GripUrlError::Syntax),
        ("localhost:5561", GripUrlError::Syntax),
        ("/publish", GripUrlError::Syntax),
        ("http://", GripUrlError::Syntax),
        ("http:///path", GripUrlError::Syntax),
        ("http://:5561", GripUrlError::Syntax),
        ("http://a:port", GripUrlError::Syntax),
        ("http://a:99999", GripUrlError::Syntax),
        ("http://a b/", GripUrlError::Syntax),
        ("http://u:secret@", GripUrlError::Syntax),
        ("tcp://localhost:5560", GripUrlError::Scheme("tcp".into())),
        ("http://a?iss=i", GripUrlError::IssWithoutKey),
        ("http://a?iss=i&key=", GripUrlError::Key(SigError::Empty)),
        (
            "http://a?iss=i&key=file:secret",
            GripUrlError::Key(SigError::FileName),
        ),
        ("http://a?key=", GripUrlError::Token),
        ("http://a?key=secret%0d%0ax", GripUrlError::Token),
        ("http://a?key=base64://///w", GripUrlError::Token),
    ] {
        let error = GripUrl::parse(text).expect_err(text);
        assert_eq!(error, expected, "{text}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn credentials_come_from_the_user_or_the_key() {
    for (text, expected) in [
        ("http://a", None),
        // user:pass
        ("http://user:pass@a", Some("Basic dXNlcjpwYXNz")),
        // u@x:p:%
        ("http://u%40x:p%3a%25@a", Some("Basic dUB4OnA6JQ==")),
        // u:
        ("http://u@a", Some("Basic dTo=")),
        ("http://a?key=token", Some("Bearer token")),
        ("http://a?key=t%6Fken%2B", Some("Bearer token+")),
        ("http://a?key=base64:dG9rZW4=", Some("Bearer token")),
        ("http://u:p@a?key=first&key=second", Some("Bearer first")),
    ] {
        assert_eq!(authorization(text).as_deref(), expected, "{text}");
    }
    assert_eq!(percent_decoded("100%zz%4"), "100%zz%4");
}

#[test]
fn an_issuer_and_a_key_sign() {
    for (text, key) in [
        ("http://a?iss=me&key=secret", "secret"),
        ("http://a?iss=me&key=s%65cret", "secret"),
        ("http://a?iss=me&key=two+words", "two words"),
        ("http://a?iss=me&key=base64:c2VjcmV0", "secret"),
        ("http://a?iss=me&key=base64%3Ac2VjcmV0", "secret"),
        // Its + stands for itself.
        ("http://a?iss=me&key=base64:++++", "base64:++++"),
    ] {
        let value = authorization(text).unwrap();
        let token = value.strip_prefix("Bearer ").expect("a bearer token");
        let key = SigKey::from_text(key).unwrap();
        assert!(verify(&key, token, 1_999), "{text}");
        assert!(!verify(&key, token, 2_000), "{text}: expired");
    }
}

#[test]
fn only_loopback_hosts_are_on_this_machine() {
    for (host, expected) in [
        ("localhost", true),
        ("LOCALHOST:5561", true),
        ("127.0.0.1", true),
        ("127.1.2.3:80", true),
        ("[::1]:80", true),
        ("[::ffff:127.0.0.1]", true),
        ("localhost.example.com", false),
        ("127.0.0.1.example.com", false),
        ("0.0.0.0", false),
        ("10.0.0.1", false),
        ("[::2]", false),
        ("example.com", false),
    ] {
        assert_eq!(
            parsed(&format!("http://{host}/")).is_loopback(),
            expected,
            "{host}"
        );
    }
    assert!(!parsed("http://localhost@example.com").is_loopback());
}

#[test]
fn debugging_shows_no_secret() {
    for text in [
        "http://u:secret@a",
        "http://a?key=secret",
        "http://a?iss=i&key=secret",
    ] {
        let shown = format!("{:?}", parsed(text));
        assert!(!shown.contains("secret"), "{shown}");
    }
}
