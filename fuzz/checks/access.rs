//! Who may use the control port, and `Grip-Sig`: any header. Only what was given out opens the door, and a
//! token opens it for its issuer and until its time.

use p8::engine::control_access::{Admitted, Asked, ControlAccess, Secret};
use p8::grip::sig::{self, SigKey};

const NOW: u64 = 1_800_000_000;

/// Checks one input.
pub fn check(input: (bool, &str, &str, &str, &str)) {
    let (is_guarded, host, origin, site, authorization) = input;
    let key = SigKey::from_text("secret").unwrap();
    let mut access = ControlAccess::default();
    access.hosts = vec!["control.example".to_owned()];
    if is_guarded {
        access.admitted = vec![
            Admitted::Bearer(Secret::new(b"a token of many bytes")),
            Admitted::Basic(Secret::new(b"user:password")),
            Admitted::Issuer {
                iss: "realm".to_owned(),
                key: key.clone(),
            },
        ];
    }
    let some = |text| Some(text).filter(|text: &&str| !text.is_empty());
    let mut asked = Asked::default();
    asked.host = some(host);
    asked.origin = some(origin);
    asked.fetch_site = some(site);
    asked.authorization = some(authorization);
    match access.check(&asked, NOW) {
        Ok(()) => assert!(!is_guarded || is_right(&key, authorization)),
        Err(error) => assert!(!error.to_string().is_empty() && !error.code().is_empty()),
    }
    let token = sig::sign(&key, host, NOW + 1).unwrap();
    assert!(sig::verify_issued(&key, host, &token, NOW));
    assert!(!sig::verify(&key, &token, NOW + 1));
    assert_eq!(
        sig::verify_issued(&key, origin, &token, NOW),
        origin == host
    );
    for key in [
        SigKey::from_text(site),
        SigKey::from_file_content(site.as_bytes()),
    ] {
        let token = key.and_then(|key| Ok((sig::sign(&key, "realm", NOW + 1)?, key)));
        assert!(token.map_or(true, |(token, key)| sig::verify(&key, &token, NOW)));
    }
}

/// Tells whether these are the credentials, as the simplest reading of them has it.
fn is_right(key: &SigKey, authorization: &str) -> bool {
    let (scheme, value) = authorization.split_once(' ').unwrap_or_default();
    let value = value.trim_matches(' ');
    match scheme.to_ascii_lowercase().as_str() {
        "basic" => value == "dXNlcjpwYXNzd29yZA==",
        "bearer" => {
            value == "a token of many bytes" || sig::verify_issued(key, "realm", value, NOW)
        }
        _ => false,
    }
}
