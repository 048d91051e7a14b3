//! Filters: each rule, their order, their errors with texts, and `content-filters`.

use super::*;
use crate::grip::id_format::FILLED_MAX_BYTES;

const ALL: [Filter; 7] = [
    Filter::SkipSelf,
    Filter::SkipUsers,
    Filter::RequireSub,
    Filter::BuildId,
    Filter::VarSubst,
    Filter::HttpCheck,
    Filter::HttpModify,
];

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn meta(pairs: Pairs<'_>) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect()
}

/// A session on the channels `a`, with id 2, and `b`, without one.
fn with_context<T>(own: Pairs<'_>, published: Pairs<'_>, run: impl Fn(&Context<'_>) -> T) -> T {
    run(&Context {
        meta: &meta(own),
        publish_meta: &meta(published),
        ids: &[("a".into(), Some("2".into())), ("b".into(), None)],
    })
}

/// Runs filters on an item: `Some` is the content of what passes.
fn run(
    filters: &[Filter],
    own: Pairs<'_>,
    published: Pairs<'_>,
    content: &'static str,
) -> Result<Option<String>, String> {
    let verdict = with_context(own, published, |context| {
        apply(filters, context, Bytes::from_static(content.as_bytes()))
    });
    match verdict {
        Ok(Verdict::Pass(content)) => Ok(Some(String::from_utf8(content.to_vec()).unwrap())),
        Ok(Verdict::Drop) => Ok(None),
        Ok(Verdict::Ask { at, .. }) => Err(format!("filter {at} asks")),
        Err(error) => Err(error.to_string()),
    }
}

fn passes(filter: Filter, own: Pairs<'_>, published: Pairs<'_>) -> bool {
    run(&[filter], own, published, "x") == Ok(Some("x".to_owned()))
}

#[test]
fn names_are_exact() {
    for filter in ALL {
        assert_eq!(Filter::parse(filter.as_str()), Some(filter));
        assert_eq!(filter.to_string(), filter.as_str());
    }
    for unknown in ["", "Skip-Self", " skip-self", "skip_self", "x-unknown"] {
        assert_eq!(Filter::parse(unknown), None, "{unknown}");
    }
}

#[test]
fn some_edit_and_some_ask() {
    let edits = ALL.map(Filter::edits_items);
    assert_eq!(edits, [false, false, false, true, true, false, true]);
    let asks = ALL.map(Filter::is_network);
    assert_eq!(asks, [false, false, false, false, false, true, true]);
}

#[test]
fn skip_self_drops_what_the_user_sent() {
    for (own, published, expected) in [
        (&[("user", "alice")][..], &[("sender", "alice")][..], false),
        (&[("user", "alice")], &[("sender", "bob")], true),
        (&[("user", "alice")], &[("sender", "Alice")], true),
        (&[("user", "alice")], &[("sender", " alice")], true),
        (&[("user", "alice")], &[], true),
        (&[("user", "alice")], &[("user", "alice")], true),
        (&[], &[("sender", "alice")], true),
        (&[("user", "")], &[("sender", "")], true),
        (&[("user", "")], &[], true),
        (&[], &[], true),
    ] {
        let got = passes(Filter::SkipSelf, own, published);
        assert_eq!(got, expected, "{own:?} {published:?}");
    }
}

#[test]
fn skip_users_drops_what_names_the_user() {
    for (user, skipped, expected) in [
        ("alice", "alice", false),
        ("alice", "bob, alice", false),
        ("alice", " \talice ,bob", false),
        ("alice", ",,alice,", false),
        ("alice", "bob,carol", true),
        ("alice", "alice bob", true),
        ("alice", "Alice", true),
        ("alice", "alic", true),
        ("alice", "", true),
        ("", "", true),
        ("", ",, ,", true),
    ] {
        let (own, published) = ([("user", user)], [("skip_users", skipped)]);
        let got = passes(Filter::SkipUsers, &own, &published);
        assert_eq!(got, expected, "{user} {skipped}");
    }
    assert!(passes(Filter::SkipUsers, &[], &[("skip_users", "alice,")]));
    assert!(passes(Filter::SkipUsers, &[("user", "alice")], &[]));
}

#[test]
fn require_sub_drops_without_the_channel() {
    for (required, expected) in [
        ("a", true),
        ("b", true),
        ("c", false),
        ("A", false),
        ("a,b", false),
        (" a", false),
        ("", true),
    ] {
        let got = passes(Filter::RequireSub, &[], &[("require_sub", required)]);
        assert_eq!(got, expected, "{required}");
    }
    assert!(passes(Filter::RequireSub, &[], &[]));
}

#[test]
fn var_subst_fills_in_the_subscription_meta() {
    let own = [("user", "alice"), ("n", "5")];
    for (content, expected) in [
        ("hi %(user)s, %(n)s%%", Ok("hi alice, 5%")),
        ("plain", Ok("plain")),
        ("", Ok("")),
        (
            "%(sender)s",
            Err(
                "var-subst filter: bad content: expected a name of the subscription meta, \
                 got 'sender'",
            ),
        ),
        (
            "%I",
            Err("var-subst filter: bad content: expected %(name)s or %%, got '%I'"),
        ),
    ] {
        let got = run(&[Filter::VarSubst], &own, &[("sender", "bob")], content);
        let expected = expected
            .map(|content| Some(content.to_owned()))
            .map_err(str::to_owned);
        assert_eq!(got, expected, "{content}");
    }
}

#[test]
fn build_id_fills_in_ids() {
    let format = ("id_format", "%(a)s:a,%(b)s:b");
    let hex = ("id_encoding", "hex");
    for (own, content, expected) in [
        (&[format][..], "id: %I\n", Ok("id: 2:a,:b\n")),
        (&[format], "id: %(x:1)I 100%%", Ok("id: x:1 100%")),
        (&[format], "plain", Ok("plain")),
        (&[("id_format", "")], "[%I]", Ok("[]")),
        (&[("id_format", "%(a)s"), hex], "%I", Ok("32")),
        (&[format, hex], "%(x:1)I", Ok("783a31")),
        (&[("id_format", "%(c)s")], "%(1)I", Ok("1")),
        (
            &[("id_format", "%(c)s")],
            "%I",
            Err("build-id filter: bad 'id_format': expected a channel of the session, got 'c'"),
        ),
        (
            &[format],
            "%(a)s",
            Err("build-id filter: bad content: expected %I, %(text)I or %%, got '%(a)s'"),
        ),
        (
            &[hex],
            "plain",
            Err("build-id filter: subscription meta must have 'id_format', got none"),
        ),
        (
            &[format, ("id_encoding", "HEX")],
            "plain",
            Err("build-id filter: 'id_encoding' must be 'hex' or absent, got 'HEX'"),
        ),
        (
            &[format, ("id_encoding", "")],
            "plain",
            Err("build-id filter: 'id_encoding' must be 'hex' or absent, got ''"),
        ),
    ] {
        let got = run(&[Filter::BuildId], own, &[], content);
        let expected = expected
            .map(|content| Some(content.to_owned()))
            .map_err(str::to_owned);
        assert_eq!(got, expected, "{own:?} {content}");
    }
}

#[test]
fn a_filter_that_asks_the_backend_stops_the_run_with_the_content_so_far() {
    use Filter::{BuildId, HttpCheck, HttpModify, SkipSelf};
    let own = [("user", "alice"), ("id_format", "%(a)s")];
    for (filters, content, at, so_far) in [
        (&[HttpCheck, BuildId][..], "%I", 0, "%I"),
        (&[SkipSelf, BuildId, HttpModify], "%I", 2, "2"),
    ] {
        let got = with_context(&own, &[], |context| {
            apply(filters, context, Bytes::from_static(content.as_bytes()))
        });
        let content = Bytes::from(so_far);
        assert_eq!(got, Ok(Verdict::Ask { at, content }), "{filters:?}");
    }
}

#[test]
fn filters_run_in_order_and_a_drop_stops_the_rest() {
    use Filter::{BuildId, SkipSelf, VarSubst};
    let own = [("user", "alice"), ("id_format", "%(a)s")];
    let passed = |content: &str| Ok(Some(content.to_owned()));
    for (filters, sender, content, expected) in [
        (&[][..], "alice", "%", passed("%")),
        (&[SkipSelf, VarSubst], "alice", "%", Ok(None)),
        (&[VarSubst, SkipSelf], "alice", "%%", Ok(None)),
        (
            &[VarSubst, BuildId],
            "bob",
            "%(user)s %%I",
            passed("alice 2"),
        ),
        (
            &[BuildId, VarSubst],
            "bob",
            "%%(user)s %I",
            passed("alice 2"),
        ),
    ] {
        let got = run(filters, &own, &[("sender", sender)], content);
        assert_eq!(got, expected, "{filters:?}");
    }
    assert!(run(&[VarSubst, SkipSelf], &own, &[("sender", "alice")], "%").is_err());
}

#[test]
fn only_build_id_edits_bodies() {
    let own = [("user", "alice"), ("id_format", "%(a)s")];
    for (filters, body, expected) in [
        (&[][..], "%", Ok("%")),
        (&[Filter::VarSubst], "%(user)s", Ok("%(user)s")),
        (&[Filter::SkipSelf, Filter::HttpModify], "%", Ok("%")),
        (&[Filter::BuildId], "100%% %I %(1)I", Ok("100% 2 1")),
        (&[Filter::BuildId, Filter::BuildId], "%%%%", Ok("%%")),
        (&ALL, "%I", Ok("2")),
        (
            &[Filter::BuildId],
            "100%",
            Err(
                "build-id filter: bad response body: expected %I, %(text)I or %% after the \
                 last '%', got the end",
            ),
        ),
    ] {
        let got = with_context(&own, &[("sender", "alice")], |context| {
            apply_to_body(filters, context, Bytes::from_static(body.as_bytes()))
        });
        let expected = expected.map(Bytes::from).map_err(str::to_owned);
        assert_eq!(got.map_err(|error| error.to_string()), expected, "{body}");
    }
    let got = with_context(&[], &[], |context| {
        apply_to_body(&[Filter::BuildId], context, Bytes::new())
    });
    assert_eq!(got, Err(FilterError::MissingIdFormat));
}

#[test]
fn content_is_any_bytes_and_is_shared_where_nothing_changes() {
    let content = Bytes::from_static(b"\xff\0\xfe");
    let own = [("id_format", "%(a)s")];
    let filters = [Filter::BuildId, Filter::VarSubst];
    let got = with_context(&own, &[], |context| {
        apply(&filters, context, content.clone())
    });
    let Ok(Verdict::Pass(got)) = got else {
        panic!("{got:?}");
    };
    assert_eq!(got.as_ptr(), content.as_ptr());
    assert_eq!(got, content);
    let got = with_context(&own, &[], |context| {
        apply(&filters, context, Bytes::from_static(b"\xff%I\0"))
    });
    assert_eq!(got, Ok(Verdict::Pass(Bytes::from_static(b"\xff2\0"))));
}

#[test]
fn content_that_grows_too_long_is_refused() {
    let value = "x".repeat(FILLED_MAX_BYTES / 2 + 1);
    let got = with_context(&[("v", &value)], &[], |context| {
        let content = Bytes::from_static(b"%(v)s%(v)s");
        apply(&[Filter::VarSubst], context, content)
    });
    let expected = FilterError::Content {
        filter: Filter::VarSubst,
        cause: TemplateError::TooLong,
    };
    assert_eq!(got, Err(expected));
}

#[test]
fn errors_say_whose_fault_they_are() {
    let (filter, cause) = (Filter::BuildId, TemplateError::TooLong);
    for (error, side, code) in [
        (
            FilterError::MissingIdFormat,
            Side::Backend,
            "missing-id-format",
        ),
        (
            FilterError::IdEncoding(String::new()),
            Side::Backend,
            "bad-id-encoding",
        ),
        (
            FilterError::IdFormat(cause.clone()),
            Side::Backend,
            "bad-id-format",
        ),
        (
            FilterError::Content {
                filter,
                cause: cause.clone(),
            },
            Side::Publisher,
            "bad-content-template",
        ),
        (
            FilterError::Body { filter, cause },
            Side::Backend,
            "bad-body-template",
        ),
    ] {
        assert_eq!((error.side(), error.code()), (side, code));
    }
}

#[test]
fn content_filters_equal_those_that_edit() {
    use Filter::{BuildId, HttpCheck, HttpModify, SkipSelf, VarSubst};
    for (wanted, filters, expected) in [
        (&[][..], &[][..], true),
        (&[], &[SkipSelf, HttpCheck], true),
        (&[], &[VarSubst], false),
        (&["var-subst"], &[], false),
        (&["var-subst"], &[SkipSelf, VarSubst, HttpCheck], true),
        (&["var-subst"], &[BuildId], false),
        (&["build-id", "var-subst"], &[BuildId, VarSubst], true),
        (&["build-id", "var-subst"], &[VarSubst, BuildId], false),
        (&["build-id"], &[BuildId, HttpModify], false),
        (&["build-id", "http-modify"], &[BuildId, HttpModify], true),
        (&["build-id", "build-id"], &[BuildId], false),
        (&["skip-self"], &[SkipSelf], false),
        (&["x-unknown"], &[], false),
        (&["Build-Id"], &[BuildId], false),
    ] {
        let names: Vec<String> = wanted.iter().map(|name| name.to_string()).collect();
        let got = content_filters_match(&names, filters);
        assert_eq!(got, expected, "{wanted:?} {filters:?}");
    }
}
