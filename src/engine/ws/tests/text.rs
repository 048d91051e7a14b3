//! Group 6: text is UTF-8, and refused at the earliest byte that cannot be.

use super::*;

const VALID: &[&[u8]] = &[
    b"",
    b"\0",
    b"\x7F",
    "Hello-\u{b5}@\u{df}\u{f6}\u{e4}\u{fc}\u{e0}\u{e1}-UTF-8!!".as_bytes(),
    "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}".as_bytes(),
    "\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}".as_bytes(),
    "\u{d7ff}\u{e000}\u{fffd}\u{fffe}\u{ffff}".as_bytes(),
    "\u{1fffe}\u{1ffff}\u{2fffe}\u{8ffff}\u{ffffe}\u{10fffe}".as_bytes(),
    "\u{fff9}\u{fffa}\u{fffb}\u{fffc}".as_bytes(),
    "long enough to be checked by words, then \u{1f600} and \u{1f601}\u{1f602} again".as_bytes(),
];

/// What is wrong, and at which byte.
const INVALID: &[(&[u8], usize)] = &[
    // 6.3, 6.4: in the middle of good text
    (
        b"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xED\xA0\x80edited",
        12,
    ),
    (
        b"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xF4\x90\x80\x80edited",
        12,
    ),
    // 6.8, 6.10: five and six bytes, beyond the last code point
    (b"\xF8\x88\x80\x80\x80", 0),
    (b"\xFC\x84\x80\x80\x80\x80", 0),
    (b"\xF7\xBF\xBF\xBF", 0),
    (b"\xFB\xBF\xBF\xBF\xBF", 0),
    (b"\xFD\xBF\xBF\xBF\xBF\xBF", 0),
    (b"\xF4\x90\x80\x80", 1),
    // 6.12: continuation bytes alone
    (b"\x80", 0),
    (b"\xBF", 0),
    (b"ab\x80\xBF", 2),
    (b"\xCE\xBA\x80", 2),
    // 6.13: first bytes alone
    (b"\xC0 \xC1 ", 0),
    (b"\xDF \xDF", 1),
    (b"\xE0 ", 1),
    (b"\xEF\xBF ", 2),
    (b"\xF0 ", 1),
    (b"\xF0\x90 ", 2),
    (b"\xF0\x90\x80 ", 3),
    (b"\xF5 ", 0),
    // 6.14: the last byte missing, where the next cannot follow
    (b"\xE0\x80", 1),
    (b"\xF0\x80\x80", 1),
    (b"\xDF\xDF\xBF", 1),
    (b"\xEF\xBF\xEF\xBF\xBF", 2),
    (b"\xF4\x8F\xBF\xF4\x8F\xBF\xBF", 3),
    // 6.16: impossible bytes
    (b"\xFE", 0),
    (b"\xFF", 0),
    (b"good\xFE\xFE\xFF\xFF", 4),
    // 6.17 to 6.19: longer than needed
    (b"\xC0\xAF", 0),
    (b"\xE0\x80\xAF", 1),
    (b"\xF0\x80\x80\xAF", 1),
    (b"\xC1\xBF", 0),
    (b"\xE0\x9F\xBF", 1),
    (b"\xF0\x8F\xBF\xBF", 1),
    (b"\xC0\x80", 0),
    // 6.20, 6.21: surrogates, alone and in pairs
    (b"\xED\xA0\x80", 1),
    (b"\xED\xAD\xBF", 1),
    (b"\xED\xAE\x80", 1),
    (b"\xED\xAF\xBF", 1),
    (b"\xED\xB0\x80", 1),
    (b"\xED\xBE\x80", 1),
    (b"\xED\xBF\xBF", 1),
    (b"\xED\xA0\x80\xED\xB0\x80", 1),
];

/// Begun code points that a message may not end in.
const UNFINISHED: &[&[u8]] = &[
    b"\xDF",
    b"\xEF",
    b"\xEF\xBF",
    b"\xF4",
    b"\xF4\x8F",
    b"\xF4\x8F\xBF",
    b"ok \xCE",
];

/// `content` as a message whose fragments have these sizes, and a last one for the rest.
fn fragmented(content: &[u8], size: usize) -> Vec<u8> {
    let count = content.len().div_ceil(size).max(1);
    let mut input = Vec::new();
    for at in 0..count {
        let opcode = if at == 0 {
            Opcode::Text
        } else {
            Opcode::Continuation
        };
        let end = ((at + 1) * size).min(content.len());
        input.extend(sent(opcode, &content[at * size..end], at + 1 == count));
    }
    input
}

#[test]
fn text_passes_however_it_is_fragmented() {
    for content in VALID {
        for size in [1, 2, 3, 5, 7, usize::MAX / 2] {
            let message = Told::Message(MessageKind::Text, Bytes::from_static(content));
            let outcome = read(CLIENT, &fragmented(content, size));
            assert_eq!(outcome, (vec![message], Ok(())), "{content:x?}");
        }
    }
}

#[test]
fn what_is_not_utf8_is_refused_at_the_earliest_byte() {
    let refused = (vec![], Err(ProtocolError::InvalidText));
    assert_eq!(ProtocolError::InvalidText.close_code(), 1007);
    for (content, at) in INVALID {
        for size in [1, 2, 3, usize::MAX / 2] {
            let input = fragmented(content, size);
            assert_eq!(read(CLIENT, &input), refused, "{content:x?}");
        }
        let head = 6;
        let input = sent(Opcode::Text, content, true);
        assert_eq!(fault_index(CLIENT, &input), Some(head + at), "{content:x?}");
        // The frame is not waited for, and may come in pieces between which nothing is known.
        let (mut utf8, mut found) = (utf8::Utf8::default(), None);
        for (at, byte) in content.iter().enumerate() {
            if !utf8.advance(&[*byte]) {
                found = Some(at);
                break;
            }
        }
        assert_eq!(found, Some(*at), "{content:x?}");
        let same = binary(content);
        let bytes = sent(Opcode::Binary, content, true);
        assert_eq!(read(CLIENT, &bytes), (vec![same], Ok(())));
    }
}

#[test]
fn text_does_not_end_inside_a_code_point() {
    for content in UNFINISHED {
        for size in [1, 2, usize::MAX / 2] {
            let input = fragmented(content, size);
            let refused = (vec![], Err(ProtocolError::InvalidText));
            assert_eq!(read(CLIENT, &input), refused, "{content:x?}");
        }
        let mut input = sent(Opcode::Text, content, false);
        let begun = read(CLIENT, &input);
        assert_eq!(begun, (vec![], Ok(())), "may go on: {content:x?}");
        input.extend(sent(Opcode::Continuation, b"", true));
        assert_eq!(read(CLIENT, &input).1, Err(ProtocolError::InvalidText));
    }
}

#[test]
fn empty_fragments_of_text_are_parts() {
    for (fragments, joined) in [(["", "", ""], ""), (["", "middle", ""], "middle")] {
        let mut input = sent(Opcode::Text, fragments[0].as_bytes(), false);
        input.extend(sent(Opcode::Continuation, fragments[1].as_bytes(), false));
        input.extend(sent(Opcode::Continuation, fragments[2].as_bytes(), true));
        assert_eq!(read(CLIENT, &input), (vec![text(joined)], Ok(())));
        assert_eq!(parts(CLIENT, &input).len(), 3);
    }
}

#[test]
fn pieces_of_text_agree_with_the_whole() {
    let mut rng = fastrand::Rng::with_seed(6);
    // Bytes at the borders of the table of well-formed sequences.
    let bytes = b"az\x7F\x80\x8F\x90\x9F\xA0\xBF\xC1\xC2\xDF\xE0\xEC\xED\xEE\xEF\xF0\xF3\xF4\xF5";
    for _ in 0..20_000 {
        let len = rng.usize(0..7);
        let content: Vec<u8> = (0..len).map(|_| bytes[rng.usize(..bytes.len())]).collect();
        let (mut utf8, mut rest, mut is_valid) = (utf8::Utf8::default(), &content[..], true);
        while !rest.is_empty() && is_valid {
            let (piece, after) = rest.split_at(rng.usize(1..=rest.len()));
            (is_valid, rest) = (utf8.advance(piece), after);
        }
        let whole = std::str::from_utf8(&content);
        assert_eq!(
            is_valid && utf8.is_complete(),
            whole.is_ok(),
            "{content:x?}"
        );
        let is_begun = whole.is_err_and(|fault| fault.error_len().is_none());
        assert_eq!(is_valid && !utf8.is_complete(), is_begun, "{content:x?}");
    }
}
