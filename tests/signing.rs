//! `Grip-Sig` and `Grip-Feature`: how a backend knows that P-8 is there, and that it is P-8.
//!
//! Tokens are checked with a JWT library of their own, not with P-8's code.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{decode, Algorithm, DecodingKey, Validation};
use serde_json::Value;

use crate::support::{Answer, Backend, Config, P8};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

/// The only `Grip-Sig` of a request under that configuration.
#[track_caller]
fn signature(configure: impl Fn(Config, &Backend) -> Config) -> Option<String> {
    let backend = Backend::answering(|_| Answer::ok(""));
    let p8 = P8::start(&configure(Config::to(backend.addr), &backend));
    p8.get("/");
    backend.only_request().header("grip-sig").map(str::to_owned)
}

/// The claims, if the token verifies.
fn claims(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Option<Value> {
    let mut validation = Validation::new(algorithm);
    validation.set_required_spec_claims(&["exp", "iss"]);
    decode::<Value>(token, key, &validation)
        .ok()
        .map(|token| token.claims)
}

#[test]
fn each_request_carries_one_token_with_issuer_and_expiry_only() {
    let token = signature(|config, _| config).expect("a signature");
    let claims = claims(
        &token,
        &DecodingKey::from_secret(b"changeme"),
        Algorithm::HS256,
    );
    let claims = claims.expect("it verifies");
    assert_eq!(claims["iss"], "pushpin");
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock")
        .as_secs();
    let ahead = claims["exp"].as_u64().expect("a whole number") - now;
    assert!((3595..=3600).contains(&ahead), "{ahead} s ahead");
    assert_eq!(
        claims.as_object().map(serde_json::Map::len),
        Some(2),
        "{claims}"
    );
}

#[test]
fn another_key_does_not_verify_it() {
    let token = signature(|config, _| config).expect("a signature");
    let other = DecodingKey::from_secret(b"changeme2");
    assert_eq!(claims(&token, &other, Algorithm::HS256), None);
}

#[test]
fn the_form_of_the_key_decides_the_algorithm() {
    let pem = |name: &str| std::fs::read(format!("{FIXTURES}/{name}")).expect("a fixture");
    let ec = DecodingKey::from_ec_pem(&pem("ec_public.pem")).expect("a key");
    let rsa = DecodingKey::from_rsa_pem(&pem("rsa_public.pem")).expect("a key");
    let secret = DecodingKey::from_secret(b"\x00\x01\xfe\xff");
    let table = [
        (
            format!("file:{FIXTURES}/ec_private.pem"),
            ec,
            Algorithm::ES256,
        ),
        (
            format!("file:{FIXTURES}/rsa_private.pem"),
            rsa,
            Algorithm::RS256,
        ),
        ("base64:AAH+/w==".to_owned(), secret, Algorithm::HS256),
    ];
    for (sig_key, key, algorithm) in table {
        let line = format!("sig_key = \"{sig_key}\"");
        let token = signature(|config, _| config.proxy(&line)).expect("a signature");
        assert!(
            claims(&token, &key, algorithm).is_some(),
            "{sig_key}: {token}"
        );
    }
}

#[test]
fn a_routes_key_and_issuer_win() {
    let token = signature(|config, backend| {
        let lines = "host = \"h\"\nsig_key = \"route-secret\"\nsig_iss = \"route-iss\"";
        config
            .proxy("sig_iss = \"global\"")
            .route(lines, &[backend.addr])
    });
    let key = DecodingKey::from_secret(b"route-secret");
    let claims = claims(&token.expect("a signature"), &key, Algorithm::HS256).expect("it verifies");
    assert_eq!(claims["iss"], "route-iss");
}

#[test]
fn without_a_key_or_with_no_grip_nothing_is_signed() {
    assert_eq!(signature(|config, _| config.proxy("sig_key = \"\"")), None);
    assert_eq!(signature(|config, _| config.proxy("sig_iss = \"\"")), None);
    let no_grip =
        signature(|config, backend| config.route("host = \"h\"\nno_grip = true", &[backend.addr]));
    assert_eq!(no_grip, None);
}

#[test]
fn features_name_only_what_works() {
    let backend = Backend::answering(|_| Answer::ok(""));
    let p8 = P8::start(&Config::to(backend.addr));
    p8.get("/");
    let announced = backend
        .only_request()
        .header("grip-feature")
        .map(str::to_owned);
    assert_eq!(announced, Some(p8::grip::feature::header_value()));
    assert!(announced.is_some_and(|features| features.split(", ").any(|f| f == "status")));
}
