//! Tests of the pages: texts, escaping, sizes, and that they load nothing from elsewhere.

use super::*;

fn refused() -> BadGateway<'static> {
    BadGateway {
        what_tried: vec!["localhost:80".to_owned()],
        reason_code: "connect-refused",
        reason_text: "nothing listens at localhost:80",
        offer_demo: true,
        wants_html: true,
    }
}

fn every_page() -> Vec<(&'static str, String)> {
    let silent = BadGateway {
        what_tried: Vec::new(),
        ..refused()
    };
    vec![
        ("bad_gateway", bad_gateway(&refused()).1),
        ("unavailable", bad_gateway(&silent).1),
        ("busy", busy("target-busy", true).1),
        ("no_route", no_route(true).1),
        ("demo", DEMO.to_owned()),
        ("admin", whole_admin()),
    ]
}

/// The page of operators with its files in it.
fn whole_admin() -> String {
    let page = ADMIN.replace("<link rel=\"stylesheet\" href=\"style.css\">", ADMIN_STYLE);
    page.replace("<script src=\"app.js\" defer></script>", ADMIN_SCRIPT)
}

#[test]
fn others_than_browsers_get_one_line_as_from_pushpin() {
    let plain = BadGateway {
        wants_html: false,
        ..refused()
    };
    let expected = ("text/plain", "Error while proxying to origin.\n".to_owned());
    assert_eq!(bad_gateway(&plain), expected);
    assert_eq!(
        no_route(false),
        ("text/plain", "Route not found\n".to_owned())
    );
}

#[test]
fn browser_is_told_what_was_tried_what_happened_and_what_to_do() {
    let (kind, body) = bad_gateway(&refused());
    assert_eq!(kind, HTML);
    for part in [
        "<li><code>localhost:80</code></li>",
        "Nothing listens at localhost:80.",
        "<code>connect-refused</code>",
        "Start your web application at <code>localhost:80</code>",
        "targets = [{ url = \"http://localhost:8000\" }]",
        "href=\"/p8-demo/\"",
    ] {
        assert!(body.contains(part), "{part} is missing in {body}");
    }
    let without = bad_gateway(&BadGateway {
        offer_demo: false,
        ..refused()
    })
    .1;
    assert!(!without.contains(DEMO_PATH));
}

#[test]
fn visitors_are_not_told_inner_addresses() {
    let silent = BadGateway {
        what_tried: Vec::new(),
        ..refused()
    };
    let (kind, body) = bad_gateway(&silent);
    assert_eq!(kind, HTML);
    assert!(!body.contains("localhost:80"));
    assert!(body.contains("connect-refused"));
}

#[test]
fn everything_from_outside_is_escaped() {
    let hostile = BadGateway {
        what_tried: vec![
            "<script>alert(1)</script>".to_owned(),
            "{{demo}}\"'".to_owned(),
        ],
        reason_code: "</code><img src=x>",
        reason_text: "<b>{{style}}\u{0}\u{202e}</b>",
        ..refused()
    };
    let body = bad_gateway(&hostile).1;
    for raw in ["<script", "<img", "<b>", "\u{0}", "\u{202e}"] {
        assert!(!body.contains(raw), "{raw:?} in {body}");
    }
    assert!(body.contains("<li><code>{{demo}}&quot;&#39;</code></li>"));
    assert!(body.contains("&lt;b&gt;{{style}}"));
    assert_eq!(body.matches("<style>").count(), 1);
}

#[test]
fn escape_table() {
    for (value, max, expected) in [
        ("", 5, ""),
        ("a&b", 5, "a&amp;b"),
        (
            "<a href='x' b=\"y\">",
            99,
            "&lt;a href=&#39;x&#39; b=&quot;y&quot;&gt;",
        ),
        ("a\r\n\tb", 9, "a\u{fffd}\u{fffd}\u{fffd}b"),
        ("äöü€", 4, "äöü€"),
        ("äöü€x", 4, "äöü€…"),
        ("[::1]:80", 9, "[::1]:80"),
    ] {
        assert_eq!(escape(value, max), expected, "{value:?}");
    }
}

#[test]
fn sentence_table() {
    for (text, expected) in [
        ("", ""),
        ("connection refused", "Connection refused."),
        ("It ended early.", "It ended early."),
        ("über alles", "Über alles."),
        (" why? ", "Why?"),
    ] {
        assert_eq!(sentence(text), expected);
    }
}

#[test]
fn fill_table() {
    for (template, expected) in [
        ("", ""),
        ("a{{x}}b{{y}}c", "a{{y}}b2c"),
        ("{{unknown}}z", "z"),
        ("open {{x", "open x"),
    ] {
        assert_eq!(fill(template, &[("x", "{{y}}"), ("y", "2")]), expected);
    }
}

#[test]
fn pages_stay_small() {
    let many = BadGateway {
        what_tried: vec!["backend.example:8080".to_owned(); 500],
        ..refused()
    };
    let hostile = BadGateway {
        what_tried: vec!["<".repeat(100_000); 500],
        ..refused()
    };
    for (name, body, max) in [
        ("bad_gateway", bad_gateway(&refused()).1, 6_000),
        ("many targets", bad_gateway(&many).1, 6_000),
        ("hostile", bad_gateway(&hostile).1, 12_000),
        ("no_route", no_route(true).1, 6_000),
        ("demo", DEMO.to_owned(), 24_000),
        ("admin", whole_admin(), 48_000),
    ] {
        assert!(
            body.len() < max,
            "{name} has {} bytes, expected under {max}",
            body.len()
        );
    }
}

#[test]
fn pages_load_nothing_from_elsewhere() {
    for (name, body) in every_page() {
        let body = body.replace("url = \"http://localhost:", "");
        for word in [
            "://",
            "src=",
            "url(",
            "@import",
            "import(",
            "=\"//",
            "innerHTML",
            "eval(",
        ] {
            assert!(!body.contains(word), "{name} contains {word}");
        }
    }
}

#[test]
fn pages_are_whole_and_adapt_to_light_dark_and_phones() {
    for (name, body) in every_page() {
        assert!(
            body.starts_with("<!doctype html>\n<html lang=\"en\">"),
            "{name}"
        );
        assert!(body.trim_end().ends_with("</html>"), "{name}");
        assert!(body.contains("prefers-color-scheme:dark"), "{name}");
        assert!(body.contains("name=\"viewport\""), "{name}");
        assert!(!body.contains("{{"), "{name} has an unfilled place");
    }
}

#[test]
fn demo_page_shows_the_instruct_that_the_constants_name() {
    let timeout = format!("Grip-Timeout: {DEMO_POLL_TIMEOUT_SECS}");
    let keep_alive = format!("Grip-Keep-Alive: {DEMO_KEEP_ALIVE}");
    let channel = format!("Grip-Channel: {DEMO_CHANNEL}");
    let max = format!("const MAX_BYTES = {DEMO_MESSAGE_MAX_BYTES};");
    let rate = format!("{DEMO_MESSAGES_PER_SEC} messages a second");
    for part in [timeout, keep_alive, channel, max, rate] {
        assert!(DEMO.contains(&part), "{part} is missing");
    }
    for id in [
        "stream-log",
        "poll-log",
        "message",
        "send",
        "status-stream",
        "status-poll",
    ] {
        assert!(DEMO.contains(&format!("id=\"{id}\"")), "{id} is missing");
    }
}
