//! Keys and tokens, of each kind and broken.

use super::*;
use base64::engine::{general_purpose::URL_SAFE_NO_PAD, Engine};
use serde_json::{json, Value};

const NOW: u64 = 1_800_000_000;

// Made for these tests only.
const EC: &[u8] = include_bytes!("keys/ec.pem");
const EC_PUBLIC: &[u8] = include_bytes!("keys/ec.pub.pem");
const EC_SEC1: &[u8] = include_bytes!("keys/ec-sec1.pem");
const EC_384: &[u8] = include_bytes!("keys/ec384.pem");
const RSA: &[u8] = include_bytes!("keys/rsa.pem");
const RSA_PKCS1: &[u8] = include_bytes!("keys/rsa1.pem");
const RSA_PUBLIC: &[u8] = include_bytes!("keys/rsa.pub.pem");

fn text_key(text: &str) -> SigKey {
    SigKey::from_text(text).unwrap()
}

fn file_key(content: &[u8]) -> SigKey {
    SigKey::from_file_content(content).unwrap()
}

fn part(token: &str, place: usize) -> Value {
    let part = token.split('.').nth(place).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn token(claims: Value, key: &str) -> String {
    let key = EncodingKey::from_secret(key.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
}

#[test]
fn algorithm_follows_the_key() {
    for (key, algorithm) in [
        (text_key("changeme"), "HS256"),
        (text_key("base64:Y2hhbmdlbWU="), "HS256"),
        (file_key(b"6368616E67656d65\n"), "HS256"),
        (file_key(EC), "ES256"),
        (file_key(RSA), "RS256"),
        (file_key(RSA_PKCS1), "RS256"),
    ] {
        let token = sign(&key, "pushpin", NOW + 3600).unwrap();
        assert_eq!(part(&token, 0), json!({"typ": "JWT", "alg": algorithm}));
        assert_eq!(
            part(&token, 1),
            json!({"exp": NOW + 3600, "iss": "pushpin"})
        );
        assert!(verify(&key, &token, NOW), "{algorithm}");
    }
}

#[test]
fn spellings_of_one_secret_are_one_key() {
    let token = sign(&text_key("changeme"), "x", NOW + 1).unwrap();
    for key in [
        text_key("base64:Y2hhbmdlbWU"),
        file_key(b" 6368616e67656d65 "),
    ] {
        assert!(verify(&key, &token, NOW));
    }
}

#[test]
fn public_keys_verify_and_do_not_sign() {
    for (private, public) in [(EC, EC_PUBLIC), (RSA, RSA_PUBLIC), (RSA_PKCS1, RSA_PUBLIC)] {
        let token = sign(&file_key(private), "x", NOW + 1).unwrap();
        let public = file_key(public);
        assert!(verify(&public, &token, NOW));
        assert_eq!(sign(&public, "x", NOW), Err(SigError::PublicKey));
    }
}

#[test]
fn tokens_must_be_ahead_of_now() {
    let key = text_key("k");
    for (claims, expected) in [
        (json!({"exp": NOW + 1}), true),
        (
            json!({"exp": NOW + 1, "iss": "anyone", "aud": "x", "nbf": NOW + 9}),
            true,
        ),
        (json!({"exp": (NOW as f64) + 0.5}), true),
        (json!({"exp": NOW}), false),
        (json!({"exp": NOW - 1}), false),
        (json!({"exp": -1}), false),
        (json!({"exp": (NOW + 1).to_string()}), false),
        (json!({"exp": null}), false),
        (json!({"iss": "pushpin"}), false),
        (json!({}), false),
        (json!([]), false),
        (json!("x"), false),
    ] {
        assert_eq!(
            verify(&key, &token(claims.clone(), "k"), NOW),
            expected,
            "{claims}"
        );
    }
}

#[test]
fn foreign_tokens_fail() {
    let key = text_key("k");
    let good = token(json!({"exp": NOW + 1}), "k");
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (_, claims) = head.split_once('.').unwrap();
    let unsigned = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"none"}"#);
    for bad in [
        token(json!({"exp": NOW + 1}), "other"),
        sign(&file_key(EC), "x", NOW + 1).unwrap(),
        sign(&file_key(RSA), "x", NOW + 1).unwrap(),
        format!("{unsigned}.{claims}."),
        format!("{unsigned}.{claims}.{signature}"),
        format!("{head}."),
        head.to_owned(),
        format!("{good}x"),
        "x.y.z".to_owned(),
        "....".to_owned(),
        "ž.☃.\0".to_owned(),
        ".".repeat(1 << 20),
        String::new(),
    ] {
        assert!(!verify(&key, &bad, NOW), "{bad:.100}");
    }
    // A public key's text is no HMAC secret of its owner.
    let forged = {
        let key = EncodingKey::from_secret(RSA_PUBLIC);
        let claims = json!({"exp": NOW + 1});
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
    };
    assert!(!verify(&file_key(RSA_PUBLIC), &forged, NOW));
}

#[test]
fn bad_keys_are_refused() {
    for (text, expected) in [
        ("", SigError::Empty),
        ("base64:", SigError::Empty),
        ("base64:!", SigError::Empty),
        ("file:key.pem", SigError::FileName),
    ] {
        assert_eq!(SigKey::from_text(text).unwrap_err(), expected, "{text:?}");
    }
    for (content, expected) in [
        (&b""[..], SigError::Empty),
        (b"abc", SigError::NotHex),
        (b"zz", SigError::NotHex),
        (b"+1", SigError::NotHex),
        (b"\xff\xfe", SigError::NotHex),
        (b"-----BEGIN", SigError::Pem),
        (
            b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
            SigError::Pem,
        ),
        (EC_SEC1, SigError::Pem),
        (EC_384, SigError::Pem),
    ] {
        assert_eq!(SigKey::from_file_content(content).unwrap_err(), expected);
    }
}

#[test]
fn keys_do_not_show_their_secret() {
    assert_eq!(
        format!("{:?}", text_key("changeme")),
        "SigKey { algorithm: HS256, .. }"
    );
}
