//! What each control message does; `timers` has those that wait, `detaching` has `detach`.

use super::*;

fn names(run: &Run) -> String {
    let wanted = run.session.channels().into_iter();
    let names: Vec<_> = wanted.map(|wanted| wanted.channel.to_string()).collect();
    names.join(" ")
}

#[test]
fn channels_are_added_and_left_but_implicit_ones_stay() {
    let mut run = Run::direct_on(Route {
        prefix: Some("p-".to_owned()),
        ..route()
    });
    run.plays(
        "backend control subscribe channel=a   > subscribe own p-a
        subscribed                            >
        backend control subscribe channel=a   > subscribe own p-a
        subscribed                            >
        backend control subscribe channel=own > subscribe own p-a p-own
        subscribed                            >
        backend control unsubscribe channel=a > subscribe own p-own
        subscribed                            >
        backend control unsubscribe channel=a >
        backend control unsubscribe channel=p-own >
        backend control unsubscribe channel=own > subscribe own
        subscribed                            >
        backend control unsubscribe channel=own >",
    );
}

#[test]
fn past_the_limit_of_channels_nothing_is_subscribed_to() {
    let mut run = Run::opening();
    for channel in ["a", "b", "c"] {
        run.plays(&format!("backend control subscribe channel={channel} >"));
    }
    for channel in ["d", "a"] {
        let refused = "note channel refused";
        run.plays(&format!(
            "backend control subscribe channel={channel} > {refused}"
        ));
    }
    run.plays("backend control unsubscribe channel=b >");
    run.plays("backend control subscribe channel=d >");
    assert_eq!(names(&run), "own a c d");
}

#[test]
fn past_the_limit_of_meta_it_says_so() {
    let mut run = Run::direct();
    let long = "x".repeat(16_384);
    run.plays(&format!(
        "backend control set-meta name=a value={long} > note meta refused
        backend control set-meta name=a value=x >
        backend control set-meta name=a         >"
    ));
}

#[test]
fn too_many_filters_close_the_client_and_say_why_on_debug_routes() {
    let order = "control subscribe channel=a filters=1+2+3+4+5+6";
    let mut run = Run::over_http();
    run.plays("client text x > post TEXT x");
    run.plays(&format!(
        "answer {order}; text m:late > deafen, client close 1011"
    ));
    run.plays("client close 1011 > finish");
    assert_eq!(run.rest(), ["post CLOSE 1011"]);
    let mut run = Run::direct_on(debug_route());
    let why = "too many filters, expected at most 5 for a channel";
    run.plays(&format!(
        "backend {order} > deafen, client close 1011 {why}"
    ));
    let mut run = Run::direct();
    run.plays("backend control subscribe channel=a filters=1+2+3+4+5 > subscribe own a");
}

#[test]
fn what_is_no_control_message_has_no_effect() {
    let mut run = Run::direct();
    run.plays(
        "backend text c:             > note control-not-json
        backend text c:{}           > note bad-control-field
        backend control dance       > note unknown-control-type
        backend control subscribe   > note bad-control-field
        backend control session id=s >
        backend control set-meta name=user value=me >
        backend binary c:{}         > note unaddressed
        backend text m:on           > client text on",
    );
    let long = format!(
        "backend text c:{} > note long control",
        "x".repeat(1_000_000)
    );
    run.plays(&long);
    run.plays("backend text m:on > client text on");
}

#[test]
fn what_no_frame_can_carry_is_refused_wherever_it_comes_from() {
    let (long, fits) = ("x".repeat(126), "x".repeat(125));
    for order in ["keep-alive timeout=1", "send-delayed timeout=1"] {
        for kind in ["ping", "pong"] {
            let mut run = Run::direct();
            let order = format!("backend control {order} message-type={kind}");
            run.plays(&format!("{order} content={long} > note bad-control-field"));
            assert_eq!(run.due(), None);
            run.plays(&format!("{order} content={fits} >"));
            assert!(run.happens("wait 1000").contains(kind), "{order}");
        }
        let mut run = Run::direct();
        run.plays(&format!(
            "backend control {order} content-bin=gIA= > note bad-control-field
            backend control {order} content={long} >"
        ));
    }
    let mut run = Run::over_http();
    run.plays("client text x > post TEXT x");
    run.plays(&format!("answer ping {long}; pong {long}; ping {fits} > note long ping, note long ping, client ping {fits}"));
}

#[test]
fn once_somebody_closes_control_messages_have_no_effect() {
    for (close, then) in [
        ("overflow", "backend control flush-delayed"),
        ("client close 1000", "backend control subscribe channel=a"),
        ("item own / close", "backend control detach"),
        ("backend close 1000", "backend control keep-alive content=x"),
    ] {
        let mut run = Run::direct();
        run.plays("backend control send-delayed content=x timeout=9 >");
        run.happens(close);
        assert_eq!(run.happens(then), "", "{close}, {then}");
        assert_eq!(names(&run), "own");
        assert_eq!(run.due(), Some(5_000));
    }
}
