//! Tests of `X-Forwarded-*`.

use super::super::forwarded::*;
use super::*;

#[test]
fn forwarded_protocol_is_the_proxys_own() {
    use SetProto::{Both, Off, ProtoOnly};
    let lines = ["x-forwarded-proto: gopher", "x-forwarded-protocol: gopher"];
    let proto = "x-forwarded-proto: https";
    let protocol = "x-forwarded-protocol: https";
    let cases: [(SetProto, bool, bool, &[&str]); 8] = [
        (Off, false, false, &lines),
        (Off, false, true, &lines),
        (Off, true, false, &[]),
        (Off, true, true, &[]),
        (ProtoOnly, false, false, &[]),
        (ProtoOnly, false, true, &[proto]),
        (Both, false, false, &[]),
        (Both, true, true, &[proto, protocol]),
    ];
    for (set, accept, secure, expected) in cases {
        let mut case = Case {
            secure,
            ..Case::default()
        };
        case.options.set_x_forwarded_protocol = set;
        case.options.accept_x_forwarded_protocol = accept;
        assert_eq!(case.headers(&lines), expected, "{set:?} {accept} {secure}");
    }
}

#[test]
fn a_clients_protocol_is_believed_only_where_asked() {
    let cases: [(bool, bool, &[&str], bool); 8] = [
        (false, false, &["X-Forwarded-Proto: https"], false),
        (false, true, &["X-Forwarded-Proto: http"], true),
        (true, true, &["X-Forwarded-Proto: http"], true),
        (true, false, &["X-Forwarded-Proto: https"], true),
        (true, false, &["X-Forwarded-Proto: WSS"], true),
        (true, false, &["X-Forwarded-Protocol: https"], true),
        (true, false, &["X-Forwarded-Proto: http"], false),
        (true, false, &[], false),
    ];
    for (accept, connection, lines, expected) in cases {
        let options = ForwardOptions {
            accept_x_forwarded_protocol: accept,
            ..ForwardOptions::default()
        };
        assert_eq!(
            is_secure(&parse(lines), connection, &options),
            expected,
            "{lines:?}"
        );
    }
}

#[test]
fn forwarded_for_follows_the_rules() {
    let two = [
        "X-Forwarded-For: 9.9.9.9, 8.8.8.8",
        "X-Forwarded-For: 7.7.7.7,",
    ];
    let v4 = Some("192.0.2.7");
    let cases: [(&str, &[&str], Option<&str>, &str); 10] = [
        ("append", &[], v4, "192.0.2.7"),
        ("append", &two, v4, "9.9.9.9, 8.8.8.8, 7.7.7.7, 192.0.2.7"),
        ("truncate:0,append", &two, v4, "192.0.2.7"),
        ("truncate:1,append", &two, v4, "7.7.7.7, 192.0.2.7"),
        ("append,truncate:2", &two, v4, "7.7.7.7, 192.0.2.7"),
        ("truncate:9", &two, v4, "9.9.9.9, 8.8.8.8, 7.7.7.7"),
        ("truncate:0", &two, v4, ""),
        ("append", &two, None, "9.9.9.9, 8.8.8.8, 7.7.7.7"),
        ("append", &[], Some("::ffff:192.0.2.9"), "192.0.2.9"),
        ("append", &[], Some("2001:db8::1"), "2001:db8::1"),
    ];
    for (rules, lines, peer, expected) in cases {
        let rules = parse_xff_rules(rules).unwrap();
        for trusted in [false, true] {
            let mut case = Case {
                trusted,
                ..Case::default()
            };
            case.peer = peer.and_then(|peer| peer.parse().ok());
            if trusted {
                case.options.x_forwarded_for_trusted = rules.clone();
            } else {
                case.options.x_forwarded_for = rules.clone();
            }
            let expected = (!expected.is_empty()).then(|| format!("x-forwarded-for: {expected}"));
            assert_eq!(
                case.headers(lines),
                Vec::from_iter(expected),
                "{rules:?} {lines:?}"
            );
        }
    }
}

#[test]
fn forwarded_for_rules_are_read() {
    use XffRule::{Append, Truncate};
    let cases: [(&str, Result<&[XffRule], &str>); 8] = [
        ("", Ok(&[])),
        ("append", Ok(&[Append])),
        (" truncate:10 , append ", Ok(&[Truncate(10), Append])),
        ("append,", Ok(&[Append])),
        ("append,drop", Err("drop")),
        ("truncate", Err("truncate")),
        ("truncate:-1", Err("truncate:-1")),
        ("append:1", Err("append:1")),
    ];
    for (text, expected) in cases {
        assert_eq!(
            parse_xff_rules(text),
            expected.map(<[XffRule]>::to_vec),
            "{text:?}"
        );
    }
}

/// Checks what becomes of the header of a client.
fn check_forwarded(peer: &str, secure: bool, lines: &[&str], expected: &str) {
    let mut case = Case {
        peer: peer.parse().ok(),
        secure,
        ..Case::default()
    };
    case.target.host = Some("localhost".to_owned());
    case.options.forwarded = true;
    let lines = [&["Host: a.test"], lines].concat();
    let expected = format!("forwarded: {expected}");
    assert_eq!(case.headers(&lines), [expected], "{lines:?}");
}

#[test]
fn forwarded_is_extended_by_the_client() {
    for (peer, secure, expected) in [
        ("192.0.2.7", false, "for=192.0.2.7;host=a.test;proto=http"),
        ("192.0.2.7", true, "for=192.0.2.7;host=a.test;proto=https"),
        (
            "2001:db8::1",
            false,
            "for=\"[2001:db8::1]\";host=a.test;proto=http",
        ),
        (
            "::ffff:192.0.2.7",
            false,
            "for=192.0.2.7;host=a.test;proto=http",
        ),
        ("", false, "for=unknown;host=a.test;proto=http"),
    ] {
        check_forwarded(peer, secure, &[], expected);
    }
}

#[test]
fn what_was_forwarded_before_is_quoted_where_it_has_to_be() {
    let cases: [(&[&str], &str); 7] = [
        (
            &["Forwarded: for=1.2.3.4, For=\"[::1]:80\";by=_x"],
            "for=1.2.3.4, For=\"[::1]:80\";by=_x, for=unknown;host=a.test;proto=http",
        ),
        (
            &["Forwarded: for=1.2.3.4", "Forwarded: for=_b ; proto=http"],
            "for=1.2.3.4, for=_b;proto=http, for=unknown;host=a.test;proto=http",
        ),
        // What is not quoted and should be is; so is what was quoted and has to stay so.
        (
            &["Forwarded: for=[::1]:80, for=\"a \\\"b\\\\, c\""],
            "for=\"[::1]:80\", for=\"a \\\"b\\\\, c\", for=unknown;host=a.test;proto=http",
        ),
        // Nobody's open quote swallows what comes behind it.
        (
            &["Forwarded: for=1.2.3.4, for=\"evil"],
            "for=1.2.3.4, for=unknown;host=a.test;proto=http",
        ),
        (
            &["Forwarded: for=\"evil", "Forwarded: for=_b"],
            "for=_b, for=unknown;host=a.test;proto=http",
        ),
        (
            &["Forwarded: 1.2.3.4, a b=c, =x, ,;"],
            "for=unknown;host=a.test;proto=http",
        ),
        (&["Forwarded:"], "for=unknown;host=a.test;proto=http"),
    ];
    for (lines, expected) in cases {
        check_forwarded("", false, lines, expected);
    }
}

#[test]
fn forwarded_is_cut_as_x_forwarded_for_is() {
    for (rules, trusted_rules, trusted, expected) in [
        (
            "",
            "truncate:0",
            false,
            "for=_a, for=_b, for=192.0.2.7;proto=http",
        ),
        (
            "append",
            "truncate:0",
            false,
            "for=_a, for=_b, for=192.0.2.7;proto=http",
        ),
        ("truncate:0,append", "", false, "for=192.0.2.7;proto=http"),
        ("truncate:1", "", false, "for=_b, for=192.0.2.7;proto=http"),
        (
            "truncate:0",
            "append",
            true,
            "for=_a, for=_b, for=192.0.2.7;proto=http",
        ),
        ("append", "truncate:0", true, "for=192.0.2.7;proto=http"),
    ] {
        let mut case = Case {
            trusted,
            ..Case::default()
        };
        case.options.forwarded = true;
        case.options.x_forwarded_for = parse_xff_rules(rules).unwrap();
        case.options.x_forwarded_for_trusted = parse_xff_rules(trusted_rules).unwrap();
        let headers = case.headers(&["Forwarded: for=_a, for=_b"]);
        let told = headers.iter().find(|line| line.starts_with("forwarded"));
        let expected = format!("forwarded: {expected}");
        assert_eq!(told, Some(&expected), "{rules} {trusted_rules} {trusted}");
    }
}

#[test]
fn a_host_with_a_port_is_quoted_and_without_the_setting_all_passes() {
    let mut case = Case::default();
    case.target.host = Some("localhost".to_owned());
    let incoming = ["Host: a.test:80", "Forwarded: for=\"x"];
    assert_eq!(case.headers(&incoming), ["forwarded: for=\"x"]);
    case.options.forwarded = true;
    let expected = "forwarded: for=192.0.2.7;host=\"a.test:80\";proto=http";
    assert_eq!(case.headers(&incoming), [expected]);
}
