//! Files of certificates and keys: any bytes. A refusal has a text and a code.

use p8::engine::certificate::{holds_until, parse};

/// Checks one input.
pub fn check(input: (&[u8], &[u8])) {
    let (chain, key) = input;
    for (chain, key) in [(chain, key), (key, key)] {
        match parse(chain, key) {
            Ok(certificate) => {
                let _ = holds_until(&certificate);
            }
            Err(error) => assert!(!error.to_string().is_empty() && !error.code().is_empty()),
        }
    }
}
