//! What passes between client and backend, and what holds it up.

use super::*;

#[test]
fn directly_parts_pass_as_they_come() {
    let mut run = Run::without_grip(Backend::direct());
    run.plays(
        "client text a+     > backend text a+
        client ping p      > backend ping p
        client text ++     > backend text ++
        client text +b     > backend text +b
        client binary x    > backend binary x
        client text        > backend text
        client pong        > backend pong
        backend text c:x+  > client text c:x+
        backend pong p     > client pong p
        backend text ++    > client text ++
        backend text +y    > client text +y
        backend binary m:z > client binary m:z",
    );
}

#[test]
fn directly_a_message_is_judged_however_it_is_cut() {
    let message = "m:hello";
    for first in 0..=message.len() {
        for second in first..=message.len() {
            let mut run = Run::direct();
            let mut said = (BytesMut::new(), Vec::new());
            let pieces = [
                &message[..first],
                &message[first..second],
                &message[second..],
            ];
            for (at, content) in pieces.into_iter().enumerate() {
                let part = Part {
                    kind: MessageKind::Text,
                    content: bytes(content),
                    is_first: at == 0,
                    is_last: at == 2,
                    key: [0; 4],
                };
                session_says(&mut run, part, &mut said);
            }
            let (content, flags) = said;
            assert_eq!(content, "hello", "{first} {second}");
            assert!(flags.first().is_some_and(|(is_first, _)| *is_first));
            assert!(flags.last().is_some_and(|(_, is_last)| *is_last));
            assert_eq!(flags.iter().filter(|(is_first, _)| *is_first).count(), 1);
            assert_eq!(flags.iter().filter(|(_, is_last)| *is_last).count(), 1);
        }
    }
}

fn session_says(run: &mut Run, part: Part, said: &mut (BytesMut, Vec<(bool, bool)>)) {
    run.session
        .on_backend(FromBackend::Part(part), run.moment());
    while let Some(output) = run.session.next_output() {
        let Output::ToClient(ToClient::Part(part)) = output else {
            panic!("only parts are said, not {output:?}");
        };
        said.0.extend_from_slice(&part.content);
        said.1.push((part.is_first, part.is_last));
    }
}

#[test]
fn directly_a_message_for_nobody_or_for_p8_shows_no_part_of_itself() {
    let mut run = Run::direct();
    run.plays(
        "backend text hel+     > note unaddressed
        backend ping p        > client ping p
        backend text +m:lo+   >
        backend text +m:lo    >
        backend text c+       >
        backend text +:{}+    >
        backend text +x       > note control-not-json
        backend binary c:+    > note unaddressed
        backend binary +{}    >
        backend text          > note unaddressed
        backend text m:       > client text
        backend text m+       >
        backend pong p        > client pong p
        backend text +:on     > client text on",
    );
}

#[test]
fn over_http_messages_go_whole_and_what_comes_meanwhile_together() {
    let mut run = Run::over_http();
    run.plays(
        "client text a+    >
        client ping p     > post PING p
        client text +b+   >
        client pong       >
        client text +c    >
        client binary     >
        answer text m:1; binary m:2; text 3; ping; text m: > client text 1, client binary 2, note unaddressed, client ping, client text, post PONG + TEXT abc + BINARY
        answer            >",
    );
    let posts = OverHttp::new(Options::default(), KeepAliveInterval::Off, Instant::now());
    let mut run = Run::without_grip(Backend::over_http(posts));
    run.plays("client text a > post TEXT a");
    run.plays("answer text c:{}; text m:x > client text c:{}, client text m:x");
}

#[test]
fn pings_are_answered_on_routes_that_say_so() {
    let auto_pong = Route {
        auto_pong: true,
        ..route()
    };
    let mut run = Run::over_http_on(auto_pong.clone());
    run.plays("client ping p > client pong p");
    run.plays("client pong q > post PONG q");
    let mut run = Run::direct_on(auto_pong);
    run.plays("client ping p > client pong p");
    run.plays("client pong q > backend pong q");
    run.plays("item own / close > backend close, deafen, client close 1000");
    run.plays("client ping p >");
}

#[test]
fn a_slow_client_holds_up_posts_but_not_the_last_one() {
    let mut run = Run::over_http();
    run.plays("slow >");
    assert!(!run.session.wants_backend());
    run.plays(
        "client text a >
        client text b >
        fast          > post TEXT a + TEXT b
        slow          >
        client text c >
        answer text m:1 > client text 1
        drain         > deafen, client close 1001, post DISCONNECT",
    );
    let mut run = Run::over_http();
    run.plays("slow >");
    run.plays("client close 1000 > deafen");
    run.plays("fast > post CLOSE 1000");
    let mut run = Run::over_http();
    run.plays("slow >");
    run.plays("item own / close > deafen, client close 1000, post CLOSE");
    let mut run = Run::over_http();
    run.plays("slow >");
    run.plays("client text a >");
    run.plays("gone >");
    assert_eq!(run.rest(), ["post DISCONNECT"]);
}

#[test]
fn a_slow_client_is_waited_for_by_a_backend_that_is_reached_directly() {
    let mut run = Run::direct();
    run.plays("slow >");
    assert!(!run.session.wants_backend());
    run.plays("client text a > backend text a");
    run.plays("fast >");
    assert!(run.session.wants_backend());
}

#[test]
fn a_slow_backend_is_waited_for_by_its_client() {
    let mut run = Run::direct();
    run.session.on_backend_slow(true);
    assert!(!run.session.wants_client() && run.session.wants_backend());
    run.session.on_backend_slow(false);
    assert!(run.session.wants_client());
    run.session.on_backend_slow(true);
    run.plays("backend control detach > backend close, end backend");
    assert!(run.session.wants_client());
    let mut run = Run::over_http();
    run.plays("client text a > post TEXT a");
    let large = format!("client text {} >", "x".repeat(200_000));
    run.plays(&large);
    assert!(!run.session.wants_client());
    let _ = run.happens("answer");
    let _ = run.happens("answer");
    assert!(run.session.wants_client());
}
