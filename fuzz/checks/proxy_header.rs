//! PROXY headers of both versions: the verdict does not depend on what comes behind the header, and nothing
//! before its end is judged otherwise later.

use p8::engine::proxy_header::{read, Verdict, HEADER_MAX};

/// Checks one input.
pub fn check(input: &[u8]) {
    let whole = read(input);
    for end in 0..input.len().min(HEADER_MAX + 2) {
        match read(&input[..end]) {
            Verdict::NeedMore => {}
            early => return assert_eq!(early, whole),
        }
    }
    match whole {
        Verdict::NeedMore => assert!(input.len() < HEADER_MAX),
        Verdict::Header { len, .. } => assert!((1..=HEADER_MAX.min(input.len())).contains(&len)),
        Verdict::Refuse(error) => {
            assert!(!error.to_string().is_empty() && !error.code().is_empty())
        }
    }
}
