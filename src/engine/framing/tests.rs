//! Tables of heads and bodies that pass or are refused, and of the ways input may be cut.

mod differential;
mod passed;
mod refused;
mod simulation;

use super::*;

/// What came of a whole input: what passed (heads as they were passed), and how it ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Run {
    passed: Vec<u8>,
    /// The content of all bodies.
    content: Vec<u8>,
    heads: Vec<HeadFacts>,
    requests: usize,
    refused: Option<FramingError>,
    left: usize,
}

/// Feeds `input` in pieces; `cut` says how many bytes arrive next. Each response ends at once.
fn run_with(limits: FramingLimits, input: &[u8], mut cut: impl FnMut() -> usize) -> Run {
    let (mut framing, mut run) = (Framing::new(limits), Run::default());
    let (mut from, mut to) = (0, 0);
    loop {
        let waiting = &input[from..to];
        match framing.on_bytes(waiting) {
            Verdict::NeedMore => {
                assert!(!framing.is_request_complete());
                if to == input.len() {
                    break;
                }
                to = to.saturating_add(cut().max(1)).min(input.len());
            }
            Verdict::PassHead {
                len,
                rewritten,
                head,
                fields,
            } => {
                assert_in_order(rewritten.as_deref().unwrap_or(&waiting[..len]), &fields);
                assert!(0 < len && len <= waiting.len());
                match rewritten {
                    Some(bytes) => run.passed.extend_from_slice(&bytes),
                    None => run.passed.extend_from_slice(&waiting[..len]),
                }
                run.heads.push(head);
                from += len;
            }
            Verdict::PassBody { len, content } => {
                assert!(0 < len && len <= waiting.len() && content.end <= len);
                run.passed.extend_from_slice(&waiting[..len]);
                run.content.extend_from_slice(&waiting[content]);
                from += len;
            }
            Verdict::Complete => {
                assert!(framing.is_request_complete() && !framing.is_between_requests());
                run.requests += 1;
                framing.next_request();
                assert!(framing.is_between_requests());
            }
            Verdict::Refuse(error) => {
                assert!(!framing.is_request_complete() && !framing.is_between_requests());
                framing.next_request();
                assert_eq!(
                    framing.on_bytes(waiting),
                    Verdict::Refuse(error),
                    "for good"
                );
                run.refused = Some(error);
                break;
            }
        }
    }
    run.left = input.len() - from;
    run
}

/// The parts of a head are those of its lines.
fn assert_in_order(head: &[u8], fields: &Fields) {
    let lines: Vec<&[u8]> = head
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .collect();
    let line = [fields.method.of(head), b" ", fields.target.of(head), b" "].concat();
    assert!(lines[0].starts_with(&line), "{}", head.escape_ascii());
    assert_eq!(fields.headers.len() + 3, lines.len());
    for ((name, value), line) in fields.headers.iter().zip(&lines[1..]) {
        let (name, value) = (name.of(head), value.of(head));
        let rest = line
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(b":"));
        assert_eq!(rest.unwrap().trim_ascii(), value.trim_ascii());
        assert_eq!(value, value.trim_ascii());
    }
}

/// Feeds the input whole, and checks that the same comes of it byte by byte.
fn run(input: &[u8]) -> Run {
    let whole = run_with(FramingLimits::default(), input, || usize::MAX);
    let bytewise = run_with(FramingLimits::default(), input, || 1);
    assert_eq!(whole, bytewise, "{}", input.escape_ascii());
    whole
}

/// The one head that `input` is, as it passes.
fn passed_head(input: &str) -> (String, HeadFacts) {
    let run = run(input.as_bytes());
    assert_eq!(
        (run.refused, run.left, run.heads.len()),
        (None, 0, 1),
        "{input:?}"
    );
    (String::from_utf8(run.passed).unwrap(), run.heads[0])
}

const PLAIN: HeadFacts = HeadFacts {
    http10: false,
    keep_alive: true,
    method_is_head: false,
    body: Body::None,
    upgrade: Upgrade::None,
    expect_continue: false,
};

#[test]
fn one_request_passes_at_a_time() {
    let input = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut framing = Framing::new(FramingLimits::default());
    assert!(framing.is_between_requests());
    let Verdict::PassHead {
        len,
        rewritten: None,
        head,
        ..
    } = framing.on_bytes(input)
    else {
        panic!("the head must pass");
    };
    assert_eq!((len, head), (28, PLAIN));
    assert!(framing.is_request_complete());
    assert_eq!(framing.on_bytes(&input[len..]), Verdict::Complete);
    assert_eq!(framing.on_bytes(b""), Verdict::Complete);
    framing.next_request();
    assert_eq!(framing.on_bytes(b""), Verdict::NeedMore);
    assert!(matches!(
        framing.on_bytes(&input[len..]),
        Verdict::PassHead { len: 28, .. }
    ));
    let run = run(input);
    assert_eq!((run.requests, run.passed.as_slice()), (2, &input[..]));
}

#[test]
fn facts_are_read_from_the_head() {
    #[rustfmt::skip]
    let table: &[(&str, HeadFacts)] = &[
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", PLAIN),
        ("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", HeadFacts { method_is_head: true, ..PLAIN }),
        ("head / HTTP/1.1\r\nHost: a\r\n\r\n", PLAIN),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", PLAIN),
        ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", HeadFacts { http10: true, keep_alive: false, ..PLAIN }),
        ("GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n", HeadFacts { http10: true, ..PLAIN }),
        ("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n", HeadFacts { http10: true, keep_alive: false, ..PLAIN }),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n", HeadFacts { keep_alive: false, ..PLAIN }),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: x,, close\r\nConnection: keep-alive\r\n\r\n", HeadFacts { keep_alive: false, ..PLAIN }),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", PLAIN),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", HeadFacts { body: Body::Counted(0), ..PLAIN }),
        ("POST / HTTP/1.1\r\nHost: a\r\ncontent-length:\t 007 \r\n\r\n1234567", HeadFacts { body: Body::Counted(7), ..PLAIN }),
        ("POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", HeadFacts { http10: true, keep_alive: false, body: Body::Counted(1), ..PLAIN }),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", HeadFacts { body: Body::Chunked, ..PLAIN }),
        ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n", HeadFacts { upgrade: Upgrade::WebSocket, ..PLAIN }),
        ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c, websocket\r\n\r\n", HeadFacts { upgrade: Upgrade::WebSocket, ..PLAIN }),
        ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n", HeadFacts { upgrade: Upgrade::WebSocket, body: Body::Counted(0), ..PLAIN }),
        ("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx", HeadFacts { expect_continue: true, body: Body::Counted(1), ..PLAIN }),
        ("PUT / HTTP/1.1\r\nHost: a\r\nExpect: \"a, 100-continue, b\"\r\n\r\n", PLAIN),
        ("PUT / HTTP/1.1\r\nHost: a\r\nExpect: \"a,100-continue\"\r\n\r\n", PLAIN),
        ("PUT / HTTP/1.1\r\nHost: a\r\nExpect: \"a\\\",\", 100-continue\r\n\r\n", HeadFacts { expect_continue: true, ..PLAIN }),
        ("PUT / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", HeadFacts { http10: true, keep_alive: false, ..PLAIN }),
    ];
    for (input, facts) in table {
        let (passed, head) = passed_head(input);
        assert_eq!(head, *facts, "{input:?}");
        assert_eq!(passed, *input, "passes unchanged");
    }
}

#[test]
fn bodies_pass_to_their_end_and_no_further() {
    let bodies: &[(&str, &str)] = &[
        ("Content-Length: 3", "a\r\n"),
        ("Transfer-Encoding: chunked", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "000\r\n\r\n"),
        (
            "Transfer-Encoding: chunked",
            "3\r\na\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
        ),
        (
            "Transfer-Encoding: chunked",
            "0000000000000001\r\na\r\n0\r\n\r\n",
        ),
        (
            "Transfer-Encoding: chunked",
            "1;a=\"b;c\"\r\na\r\n0;x\r\n\r\n",
        ),
        ("Transfer-Encoding: chunked", "1 \t;a\r\na\r\n0;\r\n\r\n"),
        ("Transfer-Encoding: chunked", "0\r\nA: b\r\nC:\r\n\r\n"),
    ];
    for (header, body) in bodies {
        let request = format!("PUT / HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n{body}");
        let twice = request.repeat(2);
        let run = run(twice.as_bytes());
        assert_eq!(
            (run.refused, run.requests, run.left),
            (None, 2, 0),
            "{request:?}"
        );
        assert_eq!(run.passed, twice.as_bytes());
    }
}

#[test]
fn a_counted_body_may_pass_beside_the_guard() {
    let mut framing = Framing::new(FramingLimits::default());
    assert_eq!(framing.counted_body_left(), None);
    let head = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n";
    assert!(matches!(framing.on_bytes(head), Verdict::PassHead { .. }));
    assert_eq!(framing.counted_body_left(), Some(10));
    assert_eq!(
        framing.on_bytes(b"abc"),
        Verdict::PassBody {
            len: 3,
            content: 0..3
        }
    );
    assert_eq!(framing.on_bytes(b""), Verdict::NeedMore);
    framing.on_counted_body(6);
    framing.next_request();
    assert_eq!(
        framing.counted_body_left(),
        Some(1),
        "the next request has to wait"
    );
    assert_eq!(
        framing.on_bytes(b"jGET"),
        Verdict::PassBody {
            len: 1,
            content: 0..1
        }
    );
    assert_eq!(framing.counted_body_left(), None);
    assert_eq!(framing.on_bytes(b"GET"), Verdict::Complete);
}

#[test]
fn heads_and_headers_are_bounded() {
    let head = |bytes: usize| {
        let start = "GET / HTTP/1.1\r\nHost: a\r\nA: ";
        format!("{start}{}\r\n\r\n", "b".repeat(bytes - start.len() - 4))
    };
    assert_eq!(run(head(8_192).as_bytes()).requests, 1);
    assert_eq!(
        run(format!("\r\n\r\n{}", head(8_192)).as_bytes()).requests,
        1
    );
    let error = run(head(8_193).as_bytes()).refused.unwrap();
    assert_eq!(
        error.to_string(),
        "Request header size exceeded limit of 8192 bytes."
    );
    assert_eq!(run(&[b'a'; 8_191]).refused, None);
    assert_eq!(run(&[b'a'; 8_192]).refused, Some(error));

    let lines = |n: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "Host: a\r\n".repeat(n));
    let with = |headers_max: usize, n: usize| {
        let limits = FramingLimits {
            head_bytes_max: usize::MAX,
            headers_max,
        };
        let head = lines(n).replacen("Host", "A", n - 1);
        run_with(limits, head.as_bytes(), || 7).refused
    };
    assert_eq!(
        (with(64, 64), with(64, 65)),
        (None, Some(FramingError::TooManyHeaders))
    );
    assert_eq!(
        (with(999, 94), with(999, 95)),
        (None, Some(FramingError::TooManyHeaders))
    );
}

/// Each call may look at new bytes only: 64 KiB byte by byte takes as many steps, not their square.
#[test]
fn a_head_that_drips_in_is_scanned_once() {
    let head = format!("GET / HTTP/1.1\r\nA: {}", "b".repeat(60_000));
    let limits = FramingLimits {
        head_bytes_max: 65_536,
        headers_max: 64,
    };
    let mut framing = Framing::new(limits);
    let begun = std::time::Instant::now();
    for end in 0..head.len() {
        assert_eq!(framing.on_bytes(&head.as_bytes()[..end]), Verdict::NeedMore);
    }
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
}

#[test]
fn the_guard_is_small() {
    assert!(size_of::<Framing>() <= 40, "{}", size_of::<Framing>());
}
