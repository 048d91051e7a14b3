//! `GRIP_URL`: any text. What is taken can be posted to, and no error repeats what may be secret.

use http::{HeaderValue, Uri};
use p8::grip::grip_url::{Credentials, GripUrl};

/// Checks one input.
pub fn check(input: (&str, &str)) {
    let (text, secret) = input;
    let _ = Credentials::bearer(secret).map(|bearer| check_credentials(&bearer));
    if let Ok(url) = GripUrl::parse(text) {
        let uri: Uri = url.publish_uri().parse().unwrap();
        assert_eq!(uri.host(), Some(url.host()));
        assert!(
            uri.path().ends_with("/publish/") && !uri.authority().unwrap().as_str().contains('@')
        );
        assert_eq!(uri.scheme_str() == Some("https"), url.is_tls());
        let _ = url.is_loopback();
        let _ = url
            .credentials
            .map(|credentials| check_credentials(&credentials));
    }
    let long = format!("verysecret{}", secret.replace(char::is_whitespace, ""));
    if let Err(error) = GripUrl::parse(&format!("https://h/?iss=a&key=base64:{long}")) {
        assert!(!error.to_string().contains("verysecret") && !error.code().is_empty());
    }
}

fn check_credentials(credentials: &Credentials) {
    if let Ok(value) = credentials.authorization(0) {
        assert!(HeaderValue::from_str(&value).is_ok());
    }
}
