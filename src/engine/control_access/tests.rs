//! Credentials of each kind, and what browsers say of their pages.

use super::*;

const NOW: u64 = 1_800_000_000;
const OWN: &str = "127.0.0.1:5561";

fn key(text: &str) -> SigKey {
    SigKey::from_text(text).unwrap()
}

fn issuer(iss: &str, text: &str) -> Admitted {
    Admitted::Issuer {
        iss: iss.to_owned(),
        key: key(text),
    }
}

fn admitting(admitted: impl IntoIterator<Item = Admitted>) -> ControlAccess {
    ControlAccess {
        admitted: admitted.into_iter().collect(),
        ..ControlAccess::default()
    }
}

fn known_by(hosts: &[&str]) -> ControlAccess {
    ControlAccess {
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        ..ControlAccess::default()
    }
}

fn everybody() -> ControlAccess {
    admitting([
        Admitted::Bearer(Secret::new(b"token")),
        Admitted::Bearer(Secret::new(b"next token")),
        Admitted::Basic(Secret::new("ops:pässword:".as_bytes())),
        issuer("realm", "changeme"),
        issuer("realm", "changed"),
    ])
}

fn with(access: &ControlAccess, authorization: Option<&str>) -> Result<(), AccessError> {
    let asked = Asked {
        host: Some("push.example"),
        authorization,
        ..Asked::default()
    };
    access.check(&asked, NOW)
}

fn bearer(key_text: &str, iss: &str, exp: u64) -> String {
    format!("Bearer {}", sig::sign(&key(key_text), iss, exp).unwrap())
}

fn basic(user: &str) -> String {
    format!("Basic {}", STANDARD.encode(user))
}

#[test]
fn each_of_several_credentials_is_let_in() {
    let access = everybody();
    for authorization in [
        "Bearer token".to_owned(),
        "bearer  next token ".to_owned(),
        basic("ops:pässword:"),
        basic("ops:pässword:").replace("Basic", "BASIC"),
        bearer("changeme", "realm", NOW + 1),
        bearer("changed", "realm", NOW + 600),
    ] {
        assert_eq!(
            with(&access, Some(&authorization)),
            Ok(()),
            "{authorization}"
        );
    }
}

#[test]
fn other_credentials_are_not() {
    let access = everybody();
    assert_eq!(with(&access, None), Err(AccessError::NoCredentials));
    for authorization in [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "Bearer toke".to_owned(),
        "Bearer token2".to_owned(),
        "Token token".to_owned(),
        "token".to_owned(),
        "\u{fffd}".to_owned(),
        "Basic token".to_owned(),
        "Basic !".to_owned(),
        format!("Bearer {}", STANDARD.encode("ops:pässword:")),
        basic("ops:pässword"),
        basic("ops:"),
        basic(":pässword:"),
        basic("token"),
        bearer("changeme", "realm", NOW),
        bearer("changeme", "other", NOW + 600),
        bearer("wrong", "realm", NOW + 600),
        // No signature at all: {"alg":"none"}.{"iss":"realm","exp":9999999999}.
        "Bearer eyJhbGciOiJub25lIn0.eyJpc3MiOiJyZWFsbSIsImV4cCI6OTk5OTk5OTk5OX0.".to_owned(),
    ] {
        let found = with(&access, Some(&authorization));
        assert_eq!(found, Err(AccessError::BadCredentials), "{authorization}");
    }
}

#[test]
fn a_client_is_told_what_it_may_try() {
    let told = |access: ControlAccess| access.challenges().collect::<Vec<_>>();
    let (bearer, basic) = (
        "Bearer realm=\"P-8\"",
        "Basic realm=\"P-8\", charset=\"UTF-8\"",
    );
    assert_eq!(told(everybody()), [bearer, basic]);
    assert_eq!(told(admitting([issuer("a", "b")])), [bearer]);
    assert_eq!(
        told(admitting([Admitted::Basic(Secret::new(b"a:b"))])),
        [basic]
    );
}

#[test]
fn a_secret_is_not_shown() {
    let shown = format!("{:?}", everybody());
    for secret in ["token", "ssword", "changeme", "116"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

fn from(
    access: &ControlAccess,
    fetch_site: Option<&str>,
    origin: Option<&str>,
    host: Option<&str>,
) -> Result<(), AccessError> {
    let asked = Asked {
        host,
        origin,
        fetch_site,
        authorization: Some("Bearer token"),
    };
    access.check(&asked, NOW)
}

#[test]
fn pages_of_other_sites_are_told_from_programs_and_own_pages() {
    let own = Some(OWN);
    for (fetch_site, origin, host, is_refused) in [
        (None, None, own, false),
        (None, None, None, false),
        (Some("none"), None, own, false),
        (
            Some("same-origin"),
            Some("http://127.0.0.1:5561"),
            own,
            false,
        ),
        (None, Some("http://[::1]:5561"), Some("[::1]:5561"), false),
        (
            None,
            Some("http://localhost:5561"),
            Some("localhost:5561"),
            false,
        ),
        (None, Some("http://localhost"), Some("localhost"), false),
        (Some("cross-site"), None, own, true),
        (Some("same-site"), None, own, true),
        (Some("nonsense"), None, own, true),
        (None, Some("http://evil.example"), own, true),
        (None, Some("http://127.0.0.1:8000"), own, true),
        (None, Some("null"), own, true),
        (None, Some("\u{fffd}"), own, true),
        (None, Some("http://127.0.0.1:5561"), None, true),
        (None, Some("http://evil:5561"), Some("evil:5561"), true),
        (
            None,
            Some("http://rebound.example:5561"),
            Some("rebound.example:5561"),
            true,
        ),
    ] {
        let expected = match is_refused {
            true => Err(AccessError::CrossSite),
            false => Ok(()),
        };
        let found = from(&ControlAccess::default(), fetch_site, origin, host);
        assert_eq!(found, expected, "{fetch_site:?} {origin:?} {host:?}");
    }
}

#[test]
fn credentials_do_not_open_the_port_to_pages_of_other_sites() {
    let name = Some("push.example");
    for (fetch_site, origin, is_refused) in [
        (None, None, false),
        (None, Some("https://push.example"), false),
        (Some("same-origin"), Some("https://push.example"), false),
        (Some("cross-site"), None, true),
        (None, Some("https://push.example.evil"), true),
        (None, Some("null"), true),
    ] {
        let found = from(&everybody(), fetch_site, origin, name);
        assert_eq!(found.is_err(), is_refused, "{fetch_site:?} {origin:?}");
    }
}

#[test]
fn names_that_anybody_may_point_here_need_to_be_configured() {
    let unknown = Err(AccessError::UnknownHost);
    for (host, expected) in [
        ("127.0.0.1:5561", Ok(())),
        ("192.0.2.1", Ok(())),
        ("[::1]:5561", Ok(())),
        ("localhost", Ok(())),
        ("LocalHost.:5561", Ok(())),
        ("pushpin:5561", Ok(())),
        ("push.internal:5561", Ok(())),
        ("PUSH.internal", Ok(())),
        ("push.internal.evil.example", unknown),
        ("evil.example", unknown),
        ("evil.example.", unknown),
        ("127.0.0.1.evil.example:5561", unknown),
        ("", unknown),
        (":5561", unknown),
        ("\u{fffd}", unknown),
    ] {
        let access = known_by(&["push.internal"]);
        assert_eq!(from(&access, None, None, Some(host)), expected, "{host}");
        let guarded = from(&everybody(), None, None, Some(host));
        assert_eq!(guarded, Ok(()), "{host}: who has credentials is no page");
    }
}

#[test]
fn pages_of_configured_names_are_own_pages() {
    let access = known_by(&["push.internal"]);
    for (origin, host, is_refused) in [
        ("https://push.internal", OWN, false),
        ("http://push.internal:8080", "push.internal:8080", false),
        ("https://evil.example", "push.internal", true),
        ("https://push.internal.evil.example", OWN, true),
    ] {
        let found = from(&access, None, Some(origin), Some(host));
        assert_eq!(found.is_err(), is_refused, "{origin} {host}");
    }
    let behind_a_proxy = from(
        &access,
        Some("same-site"),
        Some("https://push.internal"),
        None,
    );
    assert_eq!(behind_a_proxy, Ok(()));
}
