//! Ids of requests: which of the client's are taken, and how new ones are made.
//!
//! It writes no header, see `engine::forward`, and draws no random number. Source:
//! `docs/operations.md#ids-of-requests`.

use std::cell::Cell;

use http::{HeaderName, HeaderValue};

/// The header that has a request's id.
pub const NAME: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that is taken from a client, in bytes.
pub const ID_BYTES_MAX: usize = 128;
/// Digits of an id that is made.
const DIGITS: usize = 32;

/// Says where the ids of requests come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// From the client; made if it has none of use.
    #[default]
    On,
    /// From the client, or there is none.
    Taken,
    /// Made, whatever the client says.
    Made,
    /// From nowhere: the header passes as it is.
    Off,
}

/// Makes the ids of one worker.
///
/// **Shape**: 32 lower-case hexadecimal digits: 16 of the worker's, 16 that look random and do not
/// repeat in the worker's life.
#[derive(Debug)]
pub struct RequestIds {
    worker: u64,
    next: Cell<u64>,
}

impl RequestIds {
    /// Begins with a random number.
    pub fn new(random: u128) -> Self {
        let low = u128::from(u64::MAX);
        Self {
            worker: u64::try_from(random >> 64).unwrap_or_default(),
            next: Cell::new(u64::try_from(random & low).unwrap_or_default()),
        }
    }

    /// Returns the id of a request with this header.
    pub fn id(&self, mode: Mode, client: Option<&[u8]>) -> Option<HeaderValue> {
        let taken = match mode {
            Mode::On | Mode::Taken => client.filter(|id| is_of_use(id)),
            Mode::Made | Mode::Off => None,
        };
        match (taken, mode) {
            (Some(id), _) => HeaderValue::from_bytes(id).ok(),
            (None, Mode::On | Mode::Made) => self.make(),
            (None, Mode::Taken | Mode::Off) => None,
        }
    }

    fn make(&self) -> Option<HeaderValue> {
        // An odd step visits every number once before any comes again.
        let next = self.next.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.next.set(next);
        let id = (u128::from(self.worker) << 64) | u128::from(mixed(next));
        let mut digits = [0; DIGITS];
        for (at, digit) in digits.iter_mut().enumerate() {
            let shift = 4 * (DIGITS - 1 - at);
            let value = u32::try_from((id >> shift) & 15).unwrap_or_default();
            *digit = char::from_digit(value, 16).map_or(b'0', |digit| digit as u8);
        }
        HeaderValue::from_bytes(&digits).ok()
    }
}

/// Tells whether a client's id is taken: letters, digits and `-._~:/+=@` only, of bounded length.
pub fn is_of_use(id: &[u8]) -> bool {
    let is_good = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:/+=@".contains(byte);
    (1..=ID_BYTES_MAX).contains(&id.len()) && id.iter().all(is_good)
}

/// Turns different numbers into different ones that look random: the finalizer of SplitMix64.
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn an_id_is_the_clients_made_or_none_as_the_mode_says() {
        let ids = RequestIds::new(7);
        let long = [b'a'; ID_BYTES_MAX + 1];
        let bad: [Option<&[u8]>; 6] = [
            None,
            Some(b""),
            Some(b"a b"),
            Some(b"a\x1b[31m"),
            Some(b"a\xff"),
            Some(&long),
        ];
        for bad in bad {
            let made = ids.id(Mode::On, bad).expect("one is made");
            assert_eq!(made.len(), DIGITS, "{bad:?}");
            assert_eq!(ids.id(Mode::Taken, bad), None);
            assert!(ids.id(Mode::Made, bad).is_some());
            assert_eq!(ids.id(Mode::Off, bad), None);
        }
        let longest = [b'a'; ID_BYTES_MAX];
        let good: [&[u8]; 3] = [b"x", b"1-2.3_4~5:6/7+8=9@0", &longest];
        for good in good {
            for mode in [Mode::On, Mode::Taken] {
                assert_eq!(ids.id(mode, Some(good)).expect("it is taken"), good);
            }
            assert_ne!(ids.id(Mode::Made, Some(good)).expect("one is made"), good);
            assert_eq!(ids.id(Mode::Off, Some(good)), None);
        }
    }

    #[test]
    fn made_ids_do_not_repeat_and_begin_with_their_workers_digits() {
        let ids = RequestIds::new((0xfeed_u128 << 64) | u128::from(u64::MAX));
        let made: HashSet<String> = (0..10_000)
            .map(|_| {
                let id = ids.id(Mode::Made, None).expect("one is made");
                id.to_str().expect("it is text").to_owned()
            })
            .collect();
        assert_eq!(made.len(), 10_000);
        for id in made {
            assert!(id.starts_with("000000000000feed"), "{id}");
            assert!(id.bytes().all(|digit| b"0123456789abcdef".contains(&digit)));
        }
    }
}
