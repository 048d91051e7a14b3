//! Templates: each placeholder, each refusal with its text, any bytes, and the bound.

use super::*;

fn meta(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect()
}

fn channels(pairs: &[(&str, Option<&str>)]) -> Vec<(ChannelName, Option<ItemId>)> {
    pairs
        .iter()
        .map(|(name, id)| (ChannelName::new(name), id.map(ItemId::new)))
        .collect()
}

#[test]
fn values_are_filled_in() {
    let meta = meta(&[
        ("user", "alice"),
        ("n", "5"),
        ("a)b", "quoted"),
        ("a\\b", "slash"),
        ("empty", ""),
        ("", "nameless"),
        ("ž", "☃"),
        ("%s", "percent"),
        ("loop", "%(user)s"),
    ]);
    for (template, expected) in [
        (&b""[..], &b""[..]),
        (b"plain", b"plain"),
        (b"hi %(user)s, %(n)s%%", b"hi alice, 5%"),
        (b"%(user)s%(user)s", b"alicealice"),
        (b"%%%%", b"%%"),
        (b"%%(user)s", b"%(user)s"),
        (b"[%(empty)s]", b"[]"),
        (b"%()s", b"nameless"),
        (b"%(a\\)b)s", b"quoted"),
        (b"%(a\\\\b)s", b"slash"),
        (b"%(\\u\\s\\e\\r)s", b"alice"),
        (b"%(us\\er)s", b"alice"),
        (b"%(%s)s", b"percent"),
        ("%(ž)s".as_bytes(), "☃".as_bytes()),
        (b"%(loop)s", b"%(user)s"),
        (b"\xff\0%(n)s\xfe", b"\xff\x005\xfe"),
        (b"(user)s \\", b"(user)s \\"),
    ] {
        let got = fill_values(template, &meta);
        assert_eq!(got.as_deref(), Ok(expected), "{}", excerpt(template));
    }
}

#[test]
fn bad_templates_are_refused() {
    let meta = meta(&[("user", "alice")]);
    for (template, expected) in [
        (
            &b"%"[..],
            "expected %(name)s or %% after the last '%', got the end",
        ),
        (
            b"100%",
            "expected %(name)s or %% after the last '%', got the end",
        ),
        (
            b"%(user)",
            "expected %(name)s or %% after the last '%', got the end",
        ),
        (b"a%(user", "expected ')' after '%(', got '%(user'"),
        (b"%(", "expected ')' after '%(', got '%('"),
        (b"%(user\\", "expected ')' after '%(', got '%(user\\'"),
        (b"%(user\\)", "expected ')' after '%(', got '%(user\\)'"),
        (b"%s", "expected %(name)s or %%, got '%s'"),
        (b"% ", "expected %(name)s or %%, got '% '"),
        (b"%I", "expected %(name)s or %%, got '%I'"),
        (b"%S", "expected %(name)s or %%, got '%S'"),
        (b"%(user)I", "expected %(name)s or %%, got '%(user)I'"),
        (b"%(user)%", "expected %(name)s or %%, got '%(user)%'"),
        (b"%\n", "expected %(name)s or %%, got '%\\n'"),
        (
            b"%(bob)s",
            "expected a name of the subscription meta, got 'bob'",
        ),
        (
            b"%(User)s",
            "expected a name of the subscription meta, got 'User'",
        ),
        (
            b"%( user)s",
            "expected a name of the subscription meta, got ' user'",
        ),
        (b"%()s", "expected a name of the subscription meta, got ''"),
        (
            b"%(\xff)s",
            "expected a name of the subscription meta, got '\u{fffd}'",
        ),
    ] {
        let got = fill_values(template, &meta).map_err(|error| error.to_string());
        assert_eq!(got, Err(expected.to_owned()), "{}", excerpt(template));
    }
}

#[test]
fn the_default_id_is_made_of_the_ids_of_channels() {
    let ids = channels(&[
        ("a", Some("1")),
        ("b", Some("%s")),
        ("c)", None),
        ("", None),
    ]);
    for (template, expected) in [
        ("", Ok("")),
        ("%(a)s:a", Ok("1:a")),
        ("%(a)s:a,%(b)s:b,%(c\\))s:c", Ok("1:a,%s:b,:c")),
        ("100%%", Ok("100%")),
        ("[%()s]", Ok("[]")),
        ("%(d)s", Err("expected a channel of the session, got 'd'")),
        ("%I", Err("expected %(name)s or %%, got '%I'")),
        (
            "%",
            Err("expected %(name)s or %% after the last '%', got the end"),
        ),
    ] {
        let format = IdFormat {
            template,
            encoding: IdEncoding::Hex,
            ids: &ids,
        };
        let got = format.default_id().map_err(|error| error.to_string());
        let expected = expected
            .map(|id| id.as_bytes().to_vec())
            .map_err(str::to_owned);
        assert_eq!(got, expected, "{template}");
    }
}

#[test]
fn ids_are_filled_in() {
    let ids = channels(&[("a", Some("1")), ("b", Some("ž"))]);
    for (content, plain, hex) in [
        (&b""[..], &b""[..], &b""[..]),
        (b"id: %I\n", "id: 1:ž\n".as_bytes(), b"id: 313ac5be\n"),
        (b"%I%I", "1:ž1:ž".as_bytes(), b"313ac5be313ac5be"),
        (b"id: %(x:1)I", b"id: x:1", b"id: 783a31"),
        (b"%(\xff\\)%I)I", b"\xff)%I", b"ff292549"),
        (b"[%()I]", b"[]", b"[]"),
        (b"100%% %%I", b"100% %I", b"100% %I"),
        (b"\xff\0%I", b"\xff\x001:\xc5\xbe", b"\xff\x00313ac5be"),
    ] {
        for (encoding, expected) in [(IdEncoding::Plain, plain), (IdEncoding::Hex, hex)] {
            let format = IdFormat {
                template: "%(a)s:%(b)s",
                encoding,
                ids: &ids,
            };
            let got = format.fill(content);
            assert_eq!(got.as_deref(), Ok(expected), "{}", excerpt(content));
        }
    }
}

#[test]
fn bad_content_and_bad_formats_are_told_apart() {
    for (template, content, expected) in [
        (
            "",
            &b"%s"[..],
            "content: expected %I, %(text)I or %%, got '%s'",
        ),
        (
            "",
            b"%(a)s",
            "content: expected %I, %(text)I or %%, got '%(a)s'",
        ),
        (
            "",
            b"100%",
            "content: expected %I, %(text)I or %% after the last '%', got the end",
        ),
        ("", b"%(a", "content: expected ')' after '%(', got '%(a'"),
        (
            "%(a)s",
            b"%I",
            "id_format: expected a channel of the session, got 'a'",
        ),
        ("%I", b"%I", "id_format: expected %(name)s or %%, got '%I'"),
    ] {
        let format = IdFormat {
            template,
            encoding: IdEncoding::Plain,
            ids: &[],
        };
        let got = format.fill(content).map_err(|error| error.to_string());
        assert_eq!(got, Err(expected.to_owned()), "{}", excerpt(content));
    }
}

#[test]
fn a_bad_format_matters_only_where_the_default_id_is_asked_for() {
    let format = IdFormat {
        template: "%(unknown)s %",
        encoding: IdEncoding::Plain,
        ids: &[],
    };
    assert_eq!(format.fill(b"%(7)I 100%%").as_deref(), Ok(&b"7 100%"[..]));
    assert!(format.fill(b"%I").is_err());
}

#[test]
fn what_comes_of_a_template_is_bounded() {
    let value = "x".repeat(1000);
    let meta = meta(&[("v", &value)]);
    let full = b"%(v)s".repeat(FILLED_MAX_BYTES / 1000);
    assert_eq!(
        fill_values(&full, &meta).map(|filled| filled.len()),
        Ok(FILLED_MAX_BYTES)
    );
    for over in ["x", "%%", "%(v)s"] {
        let template = [&full, over.as_bytes()].concat();
        assert_eq!(fill_values(&template, &meta), Err(TemplateError::TooLong));
    }
    let long = channels(&[("a", Some(&value))]);
    for (encoding, times, fits) in [
        (IdEncoding::Plain, 1000, true),
        (IdEncoding::Plain, 1001, false),
        (IdEncoding::Hex, 500, true),
        (IdEncoding::Hex, 501, false),
    ] {
        let format = IdFormat {
            template: "%(a)s",
            encoding,
            ids: &long,
        };
        assert_eq!(format.fill(&b"%I".repeat(times)).is_ok(), fits, "{times}");
    }
    let format = IdFormat {
        template: &"%(a)s".repeat(1001),
        encoding: IdEncoding::Plain,
        ids: &long,
    };
    assert_eq!(
        format.fill(b"%I"),
        Err(FillError::IdFormat(TemplateError::TooLong))
    );
}

#[test]
fn long_templates_are_read_once() {
    // Reading any of these more than once for each byte would not end in a test's time.
    let size = 400_000;
    let none = BTreeMap::new();
    for (template, works) in [
        (b"%%".repeat(size), true),
        ([&b"%("[..], &b"\\)".repeat(size)].concat(), false),
        (b"%(".repeat(size), false),
        ([&b"%("[..], &b"x".repeat(size), b")s"].concat(), false),
    ] {
        assert_eq!(fill_values(&template, &none).is_ok(), works);
    }
    let names: Vec<_> = (0..20_000)
        .map(|n| (ChannelName::new(n.to_string()), Some(ItemId::new("1"))))
        .collect();
    let template: String = (0..20_000).map(|n| format!("%({n})s")).collect();
    let format = IdFormat {
        template: &template,
        encoding: IdEncoding::Plain,
        ids: &names,
    };
    assert_eq!(format.fill(b"%I").map(|id| id.len()), Ok(20_000));
    assert_eq!(
        format.fill(&b"%I".repeat(50)).map(|id| id.len()),
        Ok(1_000_000)
    );
}
