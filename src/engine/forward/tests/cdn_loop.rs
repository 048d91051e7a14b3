//! Tests of `CDN-Loop`: names are added, and those that have been here are known.

use super::*;

#[test]
fn cdn_loop_is_joined_and_extended() {
    let cases: [(Option<&str>, &[&str], &[&str]); 4] = [
        (
            None,
            &["CDN-Loop: a", "CDN-Loop: b"],
            &["cdn-loop: a", "cdn-loop: b"],
        ),
        (Some("own"), &[], &["cdn-loop: own"]),
        (
            Some("own"),
            &["CDN-Loop: a, b", "CDN-Loop: c"],
            &["cdn-loop: a, b, c, own"],
        ),
        (Some("own"), &["CDN-Loop:"], &["cdn-loop: own"]),
    ];
    for (own, lines, expected) in cases {
        let mut case = Case::default();
        case.options.cdn_loop = own.map(str::to_owned);
        assert_eq!(case.headers(lines), expected);
    }
}

#[test]
fn a_request_that_has_been_here_is_known_by_its_cdn_loop() {
    for (own, lines, expected) in [
        (None, &["own"][..], false),
        (Some("own"), &[], false),
        (Some("own"), &["own"], true),
        (Some("own"), &["OWN"], true),
        (Some("own"), &["a, own ; v=1"], true),
        (Some("own"), &["a", "b,own,c"], true),
        (Some("own; v=1"), &["own"], true),
        (Some("own"), &["owner, x.own, a;own"], false),
        (Some("own"), &["a; x=\"b, own"], true),
        (Some("own"), &["", ",,"], false),
        (Some("own:80"), &["own"], false),
    ] {
        let options = ForwardOptions {
            cdn_loop: own.map(str::to_owned),
            ..ForwardOptions::default()
        };
        let values = lines.iter().map(|line| line.as_bytes());
        assert_eq!(is_loop(values, &options), expected, "{own:?} {lines:?}");
    }
}
