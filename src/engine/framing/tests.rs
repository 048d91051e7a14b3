//! Tables of heads and bodies that pass or are refused, and of the ways input may be cut.

use super::*;

/// What came of a whole input: what passed (heads as they were passed), and how it ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Run {
    passed: Vec<u8>,
    heads: Vec<HeadFacts>,
    requests: usize,
    refused: Option<FramingError>,
    left: usize,
}

/// Feeds `input` in pieces; `cut` says how many bytes arrive next. Requests finish at once.
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
                to = (to + cut().max(1)).min(input.len());
            }
            Verdict::PassHead {
                len,
                rewritten,
                head,
            } => {
                assert!(0 < len && len <= waiting.len());
                match rewritten {
                    Some(bytes) => run.passed.extend_from_slice(&bytes),
                    None => run.passed.extend_from_slice(&waiting[..len]),
                }
                run.heads.push(head);
                from += len;
            }
            Verdict::PassBody(n) => {
                assert!(0 < n && n <= waiting.len());
                run.passed.extend_from_slice(&waiting[..n]);
                from += n;
            }
            Verdict::Complete => {
                assert!(framing.is_request_complete() && !framing.is_between_requests());
                run.requests += 1;
                framing.next_request();
                assert!(framing.is_between_requests());
            }
            Verdict::Refuse(error) => {
                assert_eq!(
                    framing.on_bytes(waiting),
                    Verdict::Refuse(error),
                    "refused for good"
                );
                run.refused = Some(error);
                break;
            }
        }
    }
    run.left = input.len() - from;
    run
}

fn run(input: &[u8]) -> Run {
    run_with(FramingLimits::default(), input, || usize::MAX / 2)
}

/// Like `run`, after checking that the same comes of the input byte by byte.
fn run_both(input: &[u8]) -> Run {
    let whole = run(input);
    let bytewise = run_with(FramingLimits::default(), input, || 1);
    assert_eq!(whole.passed, bytewise.passed, "{}", input.escape_ascii());
    assert_eq!(whole, bytewise, "{}", input.escape_ascii());
    whole
}

#[test]
fn one_request_passes_at_a_time() {
    let input = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut framing = Framing::new(FramingLimits::default());
    let Verdict::PassHead {
        len,
        rewritten: None,
        head,
    } = framing.on_bytes(input)
    else {
        panic!("the head must pass");
    };
    assert_eq!((len, head.body, head.keep_alive), (28, Body::None, true));
    assert!(framing.is_request_complete());
    assert_eq!(framing.on_bytes(&input[len..]), Verdict::Complete);
    framing.next_request();
    assert!(matches!(
        framing.on_bytes(&input[len..]),
        Verdict::PassHead { len: 28, .. }
    ));
    assert_eq!(run_both(input).requests, 2);
}
