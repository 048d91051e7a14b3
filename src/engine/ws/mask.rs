//! Masking: every byte of a payload XOR the key, which masks and unmasks alike.
//!
//! Source: RFC 6455 section 5.3.

/// Masks or unmasks, eight bytes at a time; the key's first byte meets the first of `bytes`.
pub(super) fn apply(bytes: &mut [u8], key: [u8; 4]) {
    if key == [0; 4] {
        return;
    }
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, with) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= with;
    }
}
