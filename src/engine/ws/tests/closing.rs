//! Group 7: codes and reasons of close frames, and what follows them.

use super::*;

fn closed_with(payload: &[u8]) -> Outcome {
    read(CLIENT, &sent(Opcode::Close, payload, true))
}

#[test]
fn codes_that_may_be_sent_are_told() {
    for code in (1000..=1003)
        .chain(1007..=1014)
        .chain([3000, 3999, 4000, 4999])
    {
        assert!(is_sendable(code));
        let expected = vec![Told::Close(Some(close(code, "")))];
        assert_eq!(closed_with(&code.to_be_bytes()), (expected, Ok(())));
    }
    for code in [
        0, 1, 5, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535,
    ] {
        assert!(!is_sendable(code));
        let fault = ProtocolError::InvalidCloseCode { code };
        assert_eq!(closed_with(&code.to_be_bytes()), (vec![], Err(fault)));
        assert_eq!(fault.close_code(), 1002);
    }
}

#[test]
fn reasons_are_text() {
    let longest = "x".repeat(123);
    for reason in [
        "",
        "Hello World!",
        "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}",
        &longest,
    ] {
        let told = close(1000, reason);
        let payload = close_payload(Some(&told));
        assert_eq!(parse_close(&payload), Ok(Some(told.clone())));
        assert_eq!(
            closed_with(&payload),
            (vec![Told::Close(Some(told))], Ok(()))
        );
    }
    assert_eq!(closed_with(b""), (vec![Told::Close(None)], Ok(())));
    assert_eq!(close_payload(None), b"".as_slice());
    let short = Err(ProtocolError::ShortClose);
    assert_eq!(closed_with(&[3]), (vec![], short));
    for reason in [b"\x80".as_slice(), b"ok\xCE", b"\xED\xA0\x80"] {
        let refused = Err(ProtocolError::InvalidCloseReason);
        let payload = [&[3, 232], reason].concat();
        assert_eq!(closed_with(&payload), (vec![], refused));
        assert_eq!(ProtocolError::InvalidCloseReason.close_code(), 1007);
    }
    let too_long = [&[3, 232], "x".repeat(124).as_bytes()].concat();
    assert_eq!(
        closed_with(&too_long),
        (vec![], Err(ProtocolError::ControlTooLarge))
    );
}

#[test]
fn long_reasons_are_cut_between_code_points() {
    for (reason, expected) in [
        ("x".repeat(124), "x".repeat(123)),
        ("\u{e4}".repeat(62), "\u{e4}".repeat(61)),
        (
            ["x", &"\u{1f600}".repeat(40)].concat(),
            ["x", &"\u{1f600}".repeat(30)].concat(),
        ),
    ] {
        let payload = close_payload(Some(&close(1011, &reason)));
        assert!(payload.len() <= 125);
        assert_eq!(parse_close(&payload), Ok(Some(close(1011, &expected))));
    }
}

#[test]
fn what_follows_a_close_frame_is_ignored() {
    let closing = sent(Opcode::Close, &[3, 232], true);
    let expected = (vec![Told::Close(Some(close(1000, "")))], Ok(()));
    for after in [
        sent(Opcode::Ping, b"", true),
        closing.clone(),
        vec![0xFF; 100],
    ] {
        assert_eq!(read(CLIENT, &[&closing[..], &after].concat()), expected);
    }
    // A message that was under way is lost.
    let begun = sent(Opcode::Text, b"begun", false);
    let rest = sent(Opcode::Continuation, b"rest", true);
    assert_eq!(read(CLIENT, &[begun, closing, rest].concat()), expected);
}
