//! Checks that text is UTF-8 while it comes in pieces.
//!
//! It keeps the first bytes of a code point that a piece ended in, and nothing else. A fault is found
//! at the first byte after which the text cannot become UTF-8 any more.
//!
//! Source: RFC 3629; RFC 6455 section 8.1.

/// Where in a code point the text stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Utf8 {
    begun: [u8; 3],
    begun_len: u8,
}

impl Utf8 {
    /// Takes in the next piece; tells whether the text can still be UTF-8.
    pub(super) fn advance(&mut self, mut piece: &[u8]) -> bool {
        while self.begun_len > 0 && !piece.is_empty() {
            match self.complete(piece) {
                Some(rest) => piece = rest,
                None => return false,
            }
        }
        match std::str::from_utf8(piece) {
            Ok(_) => true,
            Err(fault) if fault.error_len().is_some() => false,
            Err(fault) => {
                self.begin(piece.get(fault.valid_up_to()..).unwrap_or_default());
                true
            }
        }
    }

    /// Tells whether the text may end here.
    pub(super) fn is_complete(self) -> bool {
        self.begun_len == 0
    }

    /// Goes on with the code point that was begun; returns what follows what it took, `None` for a fault.
    fn complete<'a>(&mut self, piece: &'a [u8]) -> Option<&'a [u8]> {
        let (byte, rest) = piece.split_first()?;
        let mut joined = [0u8; 4];
        let begun = self.begun.iter().take(usize::from(self.begun_len));
        let mut joined_len = 0;
        for (place, byte) in joined.iter_mut().zip(begun.chain([byte])) {
            *place = *byte;
            joined_len += 1;
        }
        let joined = joined.get(..joined_len)?;
        match std::str::from_utf8(joined) {
            Ok(_) => self.begun_len = 0,
            Err(fault) if fault.error_len().is_some() => return None,
            Err(_) => self.begin(joined),
        }
        Some(rest)
    }

    fn begin(&mut self, bytes: &[u8]) {
        debug_assert!(
            bytes.len() <= self.begun.len(),
            "longer than a begun code point"
        );
        self.begun_len = 0;
        for (place, byte) in self.begun.iter_mut().zip(bytes) {
            *place = *byte;
            self.begun_len += 1;
        }
    }
}
