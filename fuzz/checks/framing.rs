//! The reader of requests: never panics, passes only what it was given, passes nothing after a refusal, and
//! judges the same however the input is cut. The first byte says how.

use p8::engine::framing::{Fields, Framing, FramingError, FramingLimits, Verdict};

#[derive(Debug, Default, PartialEq)]
struct Run {
    passed: Vec<u8>,
    content: Vec<u8>,
    fields: Vec<Fields>,
    requests: usize,
    refused: Option<FramingError>,
    left: usize,
}

const SMALL: FramingLimits = FramingLimits {
    head_bytes_max: 512,
    headers_max: 8,
};
const LARGE: FramingLimits = FramingLimits {
    head_bytes_max: 65_536,
    headers_max: 94,
};

fn run(limits: FramingLimits, input: &[u8], step: usize) -> Run {
    let mut framing = Framing::new(limits);
    let (mut run, mut from, mut to) = (Run::default(), 0, 0);
    loop {
        let waiting = &input[from..to];
        assert!(!framing.is_request_complete() || !framing.is_between_requests());
        match framing.on_bytes(waiting) {
            Verdict::NeedMore if to == input.len() => break,
            Verdict::NeedMore => to = to.saturating_add(step).min(input.len()),
            Verdict::PassHead {
                len,
                rewritten,
                fields,
                ..
            } => {
                run.fields.push(fields);
                assert!(0 < len && len <= waiting.len() && len <= limits.head_bytes_max + 4);
                run.passed
                    .extend_from_slice(rewritten.as_deref().unwrap_or(&waiting[..len]));
                from += len;
            }
            Verdict::PassBody { len, content } => {
                assert!(0 < len && len <= waiting.len() && content.end <= len);
                run.passed.extend_from_slice(&waiting[..len]);
                run.content.extend_from_slice(&waiting[content]);
                from += len;
            }
            Verdict::Complete => {
                assert!(framing.is_request_complete());
                run.requests += 1;
                framing.next_request();
            }
            Verdict::Refuse(error) => {
                framing.next_request();
                assert_eq!(framing.on_bytes(waiting), Verdict::Refuse(error));
                assert_eq!(
                    framing.on_bytes(b"GET / HTTP/1.1\r\n\r\n"),
                    Verdict::Refuse(error)
                );
                assert!(!error.to_string().is_empty() && error.status() >= 400);
                run.refused = Some(error);
                break;
            }
        }
    }
    run.left = input.len() - from;
    run
}

/// Checks one input.
pub fn check(input: &[u8]) {
    if let Some((step, input)) = input.split_first() {
        let whole = run(SMALL, input, usize::MAX);
        assert_eq!(whole, run(SMALL, input, usize::from(step % 32) + 1));
        // What passed is fit to pass again, and is not rewritten twice.
        if whole.refused.is_none() && whole.left == 0 {
            assert_eq!(whole.passed, run(LARGE, &whole.passed, usize::MAX).passed);
        }
    }
}
