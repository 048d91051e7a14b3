//! The pages that P-8 shows by itself: failed requests, the built-in demo, the operator's view.
//!
//! It serves nothing: handlers take the texts from here and set status and headers. Every page is
//! one file with its style and script inside, works in light and dark, and loads nothing from
//! anywhere else; values are put in escaped. The one-line texts for clients that are not browsers
//! are Pushpin's, byte for byte.
//!
//! Source: `docs/compatibility.md` for the one-line texts.

use std::fmt::Write as _;

/// Is the content type of every page.
pub const HTML: &str = "text/html; charset=utf-8";

/// Is the content type of the one-line answers, as Pushpin sends it.
pub const TEXT: &str = "text/plain";

/// Is the `Content-Security-Policy` under which every page of this module works.
///
/// Send it, and `X-Content-Type-Options: nosniff`, with each of them.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
     script-src 'unsafe-inline'; connect-src 'self'; img-src data:; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'";

/// Is the demo page. It is served at a path that ends in `/p8-demo/`, under any prefix.
///
/// **Shape** of what it expects beside itself (all addresses are relative):
///
/// - `GET events`: [`DEMO_STREAM_TYPE`], a stream hold on [`DEMO_CHANNEL`] whose head is sent at
///   once, with [`DEMO_KEEP_ALIVE`]. A message is an event without a name: `data: hello\n\n`, with
///   one `data:` line for each line of the message. Events of other names are not shown;
///   `keep-alive` tells the page that the connection lives.
/// - `GET poll`: [`DEMO_POLL_TYPE`], a response hold on [`DEMO_CHANNEL`] of
///   [`DEMO_POLL_TIMEOUT_SECS`]. A message answers 200 with the message as the body; a timeout
///   answers 200 or 204 with no body.
/// - `POST publish`: the page sends `text/plain; charset=utf-8`, the message being the body; a
///   browser without JavaScript and the printed `curl` line send
///   `application/x-www-form-urlencoded` with the message in the field `message`. Any 2xx means
///   published; the body of the answer is not shown.
///
/// **Bounds**: [`DEMO_MESSAGE_MAX_BYTES`], past it 413; [`DEMO_MESSAGES_PER_SEC`], past it 429.
///
/// For tests in a browser: `stream-log` and `poll-log` (one `li` a message, newest first),
/// `message`, `send`, `result`, and `status-stream` and `status-poll`, whose text and `data-state`
/// are `connecting`, `connected`, `lost` or `retrying`.
pub const DEMO: &str = include_str!("demo.html");

/// Is where the demo is mounted by default, and where [`bad_gateway`] leads.
pub const DEMO_PATH: &str = "/p8-demo/";

/// Is the only channel that the demo can reach.
pub const DEMO_CHANNEL: &str = "p8-demo";

/// Is the content type of the demo's stream.
pub const DEMO_STREAM_TYPE: &str = "text/event-stream";

/// Is the value of `Grip-Keep-Alive` that the demo page names.
pub const DEMO_KEEP_ALIVE: &str = r"event: keep-alive\ndata:\n\n; format=cstring; timeout=20";

/// Is the content type of the demo's long-poll; `; charset=utf-8` may follow.
pub const DEMO_POLL_TYPE: &str = "text/plain";

/// Is the `Grip-Timeout` of the demo's long-poll. **Units**: seconds.
pub const DEMO_POLL_TIMEOUT_SECS: u32 = 20;

/// Is the longest message that the demo takes. **Units**: bytes of UTF-8.
pub const DEMO_MESSAGE_MAX_BYTES: usize = 1024;

/// Is how many messages the demo takes in a second.
pub const DEMO_MESSAGES_PER_SEC: u32 = 5;

/// Is the operator's page, served at `/admin/` (with the slash: its address is relative).
///
/// **Shape** of what it expects: `GET api/snapshot`, asked every second while the page is visible,
/// answers a JSON object. Every key may be missing and unknown ones are shown where they fit:
///
/// ```json
/// {"version": "0.1.0", "uptime_secs": 1, "workers": 2,
///  "actors": {"session": {"count": 1, "mailbox": 0, "restarts": 0, "last_panic": null}},
///  "totals": {"requests_total": 0, "sessions_current": 0, "holds_total": 0,
///             "items_published_total": 0, "items_delivered_total": 0},
///  "dropped": {"slow-client": 0}, "refused": {"too-many-sessions": 0},
///  "channels": [{"name": "x", "subscribers": 3}], "channels_total": 1}
/// ```
///
/// Names of totals follow the unit rule: `_bytes` and `_secs` are shown as such.
pub const ADMIN: &str = include_str!("admin/index.html");

/// Is how it looks.
pub const ADMIN_STYLE: &str = include_str!("admin/style.css");

/// Is what it does.
pub const ADMIN_SCRIPT: &str = include_str!("admin/app.js");

const NOTICE_STYLE: &str = include_str!("notice.css");
const BAD_GATEWAY: &str = include_str!("bad_gateway.html");
const UNAVAILABLE: &str = include_str!("unavailable.html");
const BUSY: &str = include_str!("busy.html");
const NO_ROUTE: &str = include_str!("no_route.html");
const BAD_GATEWAY_TEXT: &str = "Error while proxying to origin.\n";
const BUSY_TEXT: &str = "Service unavailable: too many requests wait for the backend.\n";
const NO_ROUTE_TEXT: &str = "Route not found\n";

/// How many tried targets the page lists, and how long each and the reason may be in characters.
const TARGETS_MAX: usize = 8;
const TARGET_MAX_CHARS: usize = 100;
const REASON_MAX_CHARS: usize = 300;

/// Says why a request got no usable answer from any target.
#[derive(Debug, Clone, Default)]
pub struct BadGateway<'a> {
    /// Targets in the order tried, such as `localhost:80`. Empty: they are nobody's business, and
    /// the page is the one for visitors, which tells neither them nor `reason_text`.
    pub what_tried: Vec<String>,
    /// Stable word for headers and logs, such as `connect-refused`.
    pub reason_code: &'a str,
    /// What happened, as a sentence or part of one.
    pub reason_text: &'a str,
    /// Whether the demo is mounted at [`DEMO_PATH`], so that the page leads there.
    pub offer_demo: bool,
    /// Whether the client is a browser; others get one line of text.
    pub wants_html: bool,
}

/// Makes the content type and body of a 502 after no target gave a usable answer.
///
/// **Bounds**: the page stays under 6 KB for ordinary input; of long lists and texts the rest is
/// left out.
pub fn bad_gateway(page: &BadGateway<'_>) -> (&'static str, String) {
    if !page.wants_html {
        return (TEXT, BAD_GATEWAY_TEXT.to_owned());
    }
    let code = escape(page.reason_code, TARGET_MAX_CHARS);
    let demo = if page.offer_demo {
        demo_link()
    } else {
        String::new()
    };
    let Some(first) = page.what_tried.first() else {
        let values = [("style", NOTICE_STYLE), ("code", &code), ("demo", &demo)];
        return (HTML, fill(UNAVAILABLE, &values));
    };
    let values = [
        ("style", NOTICE_STYLE),
        ("tried", &tried_list(&page.what_tried)),
        (
            "reason",
            &escape(&sentence(page.reason_text), REASON_MAX_CHARS),
        ),
        ("code", &code),
        ("first", &escape(first, TARGET_MAX_CHARS)),
        ("demo", &demo),
    ];
    (HTML, fill(BAD_GATEWAY, &values))
}

/// Makes the content type and body of a 502 for a request that no route fits.
pub fn no_route(wants_html: bool) -> (&'static str, String) {
    if wants_html {
        (HTML, fill(NO_ROUTE, &[("style", NOTICE_STYLE)]))
    } else {
        (TEXT, NO_ROUTE_TEXT.to_owned())
    }
}

/// Makes the content type and body of a 503 for a request whose backend has enough to do.
pub fn busy(reason_code: &str, wants_html: bool) -> (&'static str, String) {
    if !wants_html {
        return (TEXT, BUSY_TEXT.to_owned());
    }
    let code = escape(reason_code, TARGET_MAX_CHARS);
    let values = [("style", NOTICE_STYLE), ("code", &code)];
    (HTML, fill(BUSY, &values))
}

fn demo_link() -> String {
    format!(
        "<p class=\"go\">Nothing to start yet? <a href=\"{DEMO_PATH}\">Open the built-in demo</a>: \
         a live stream and a long-poll, in your browser.</p>\n"
    )
}

fn tried_list(targets: &[String]) -> String {
    let mut list = String::new();
    for target in targets.iter().take(TARGETS_MAX) {
        // Writing to a String cannot fail.
        let _ = writeln!(
            list,
            "<li><code>{}</code></li>",
            escape(target, TARGET_MAX_CHARS)
        );
    }
    if let Some(more) = targets
        .len()
        .checked_sub(TARGETS_MAX)
        .filter(|more| *more > 0)
    {
        let _ = writeln!(list, "<li>and {more} more</li>");
    }
    list
}

/// Makes a sentence of an error text, which by house style has no capital and no full stop.
fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut letters = text.chars();
    let mut sentence: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    sentence.push_str(letters.as_str());
    if !text.is_empty() && !text.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

/// Escapes a value for HTML text and quoted attributes, and cuts it to `max_chars`.
///
/// Control characters, and those that turn the direction of text, become U+FFFD.
fn escape(value: &str, max_chars: usize) -> String {
    let mut escaped = String::with_capacity(value.len().min(max_chars * 4));
    for (place, letter) in value.chars().enumerate() {
        if place == max_chars {
            escaped.push('…');
            break;
        }
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => escaped.push('\u{fffd}'),
            control if control.is_control() => escaped.push('\u{fffd}'),
            plain => escaped.push(plain),
        }
    }
    escaped
}

/// Puts values for `{{name}}` into a template in one pass, so a value is never read as a template.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(template.len() + NOTICE_STYLE.len() + 512);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        let Some((name, behind)) = after.split_once("}}") else {
            rest = after;
            break;
        };
        if let Some((_, value)) = values.iter().find(|(key, _)| *key == name) {
            filled.push_str(value);
        }
        rest = behind;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests;
