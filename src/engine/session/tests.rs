//! The machine of a session, step by step, with virtual time. Its random runs are in
//! `tests/simulation.rs`.
//!
//! Items are written `channel:id<prev-id action`, and what the machine wants as lines; see [`item`] and
//! [`line`].

use std::collections::BTreeMap;

use http::HeaderMap;
use serde_json::json;

use super::*;
use crate::engine::{filtering::Filtering, prev_ids::PrevIds};
use crate::grip::{
    channel::ItemId,
    instruct::{KeepAlive, KeepAliveMode, Subscription},
    publish::{Formats, Item, ResponseBody, ResponseSend},
    response::Response,
};

mod asking;
mod beginning;
mod filters;
mod hints;

impl Published for Item {
    fn item(&self) -> &Item {
        self
    }
}

/// A session at a time of its own.
struct Run {
    session: Session<Item>,
    now: Instant,
}

/// What a session listens to: channels with their prev-ids, each with these filters.
fn terms(channels: &[(&str, &str)], filters: &[&str]) -> Terms {
    let subscriptions: Vec<_> = channels
        .iter()
        .map(|(channel, prev_id)| Subscription {
            channel: ChannelName::from(*channel),
            prev_id: (!prev_id.is_empty()).then(|| ItemId::from(*prev_id)),
            filters: filters.iter().map(|filter| filter.to_string()).collect(),
        })
        .collect();
    let meta = [("user", "me"), ("url", "/check")];
    let meta = meta.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Terms {
        prev_ids: PrevIds::new(&[], &subscriptions, None),
        filtering: Filtering::new(&subscriptions, None, &BTreeMap::from(meta)),
        waiting_max: 3,
    }
}

fn link() -> NextLink {
    NextLink {
        uri: "/next".to_owned(),
        timeout_secs: 10,
    }
}

impl Run {
    fn stream(channels: &[(&str, &str)]) -> Self {
        Self::with(terms(channels, &[]), Some(link()))
    }

    fn poll(channels: &[(&str, &str)]) -> Self {
        Self::poll_with(terms(channels, &[]), true)
    }

    fn with(terms: Terms, next: Option<NextLink>) -> Self {
        let now = Instant::now();
        let hold = StreamHold::new(None, now, Duration::ZERO);
        let session = Session::stream(hold, next, terms, now);
        Self { session, now }
    }

    fn poll_with(terms: Terms, can_retry: bool) -> Self {
        let now = Instant::now();
        let mut response = Response::empty(200);
        response.body = Bytes::from("timeout");
        let hold = ResponseHold::new(response, now + Duration::from_secs(55));
        let session = Session::response(hold, can_retry, terms);
        Self { session, now }
    }

    fn moment(&self) -> Moment {
        Moment {
            now: self.now,
            jitter: Duration::ZERO,
        }
    }

    fn lines(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.session.next_output())
            .map(line)
            .collect()
    }

    fn begin(&mut self, is_retry: bool, waiting: &[&str], conflicts: &[&str]) -> Vec<String> {
        let beginning = Beginning {
            waiting: waiting.iter().map(|text| item(text)).collect(),
            conflicts: conflicts
                .iter()
                .map(|name| ChannelName::from(*name))
                .collect(),
            told: is_retry.then(Vec::new),
        };
        self.session.begin(beginning, self.moment());
        self.lines()
    }

    fn item(&mut self, text: &str) -> Vec<String> {
        self.session.on_item(item(text), self.moment());
        self.lines()
    }

    fn items(&mut self, texts: &[&str]) -> Vec<String> {
        texts.iter().flat_map(|text| self.item(text)).collect()
    }

    /// Lets time pass, and wakes the session if it wanted that.
    fn wait(&mut self, ms: u64) -> Vec<String> {
        self.now += Duration::from_millis(ms);
        if self.session.deadline().is_some_and(|at| at <= self.now) {
            self.session.on_timer(self.now, self.moment());
        }
        self.lines()
    }

    fn turn(&mut self) -> Vec<String> {
        self.session.on_turn();
        self.lines()
    }

    fn refresh(&mut self) -> Vec<String> {
        self.session.on_refresh(self.moment());
        self.lines()
    }

    fn fail(&mut self) -> Vec<String> {
        self.session.on_failure(self.moment());
        self.lines()
    }

    /// The next link is answered with a hold on these channels, and with one more link.
    fn answer(&mut self, body: &'static str, channels: &[(&str, &str)]) -> Vec<String> {
        let terms = terms(channels, &[]);
        self.answer_with(LinkAnswer {
            is_hold: true,
            body: Bytes::from(body),
            prev_ids: terms.prev_ids,
            filtering: terms.filtering,
            keep_alive: None,
            next: Some(link()),
            conflicts: Vec::new(),
        })
    }

    fn answer_with(&mut self, answer: LinkAnswer) -> Vec<String> {
        self.session.on_answer(answer, self.moment());
        self.lines()
    }

    fn filtered(&mut self, answer: Result<(u16, bool), &str>) -> Vec<String> {
        let answer = answer.map(|(status, drops)| {
            let mut headers = HeaderMap::new();
            if drops {
                headers.insert("action", "drop".parse().unwrap());
            }
            let body = Bytes::new();
            FilterAnswer {
                status,
                headers,
                body,
            }
        });
        let answer = answer.map_err(|why| FilterError::Unanswered {
            filter: Filter::HttpCheck,
            why: why.to_owned(),
        });
        self.session.on_filtered(answer, self.moment());
        self.lines()
    }

    /// A stream that has asked its link.
    fn asking(channels: &[(&str, &str)]) -> Self {
        let mut run = Self::stream(channels);
        run.refresh();
        assert_eq!(run.wait(100), ["turn"]);
        let asked = run.turn();
        assert!(asked
            .first()
            .is_some_and(|line| line.starts_with("ask /next")));
        run
    }
}

/// Reads an item: `a:4<3`, without id `a:<3`, without either `a:`; behind that an action, `by=SENDER`,
/// `for=FILTER` or `patch`. Its content is its id.
fn item(text: &str) -> Item {
    let mut words = text.split(' ');
    let (channel, ids) = words.next().and_then(|word| word.split_once(':')).unwrap();
    let (id, prev_id) = ids.split_once('<').unwrap_or((ids, ""));
    let known = |id: &str| (!id.is_empty()).then(|| ItemId::from(id));
    let word = words.next().unwrap_or_default();
    let content = Bytes::copy_from_slice(id.as_bytes());
    let content_filters = word
        .strip_prefix("for=")
        .map(|filter| vec![filter.to_owned()]);
    let body = match word {
        "patch" => ResponseBody::Patch(json!([{"op": "remove", "path": "/none"}])),
        _ => ResponseBody::Bytes(content.clone()),
    };
    let send = ResponseFormat::Send(ResponseSend {
        status: 200,
        reason: None,
        headers: HeaderMap::new(),
        body,
        content_filters: content_filters.clone(),
    });
    let append = StreamFormat::Send {
        content,
        content_filters,
    };
    let (response, stream) = match word {
        "hint" => (ResponseFormat::Hint, StreamFormat::Hint),
        "close" => (ResponseFormat::Close, StreamFormat::Close),
        "refresh" => (ResponseFormat::Refresh, StreamFormat::Refresh),
        _ => (send, append),
    };
    let sender = word.strip_prefix("by=").map(str::to_owned);
    Item {
        channel: ChannelName::from(channel),
        id: known(id),
        prev_id: known(prev_id),
        formats: Formats {
            response: Some(response),
            stream: Some(stream),
            ws: None,
        },
        meta: sender
            .map(|sender| ("sender".to_owned(), sender))
            .into_iter()
            .collect(),
        size: None,
        no_seq: false,
    }
}

/// Writes what the machine wants.
fn line(output: Output<Item>) -> String {
    let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
    match output {
        Output::Append(content, _) => format!("append {}", text(content)),
        Output::AppendBody(body) => format!("body {}", text(body)),
        Output::KeepAlive(content) => format!("keep-alive {}", text(content)),
        Output::Respond(response, _) => format!("respond {}", text(response.body)),
        Output::Finish(end) => format!("finish {end:?}"),
        Output::Filter(question) => format!("filter {}", question.url),
        Output::TakeTurn => "turn".to_owned(),
        Output::Ask(Asked { link, last }) => {
            let last = last.iter().map(|(name, id)| format!(" {name}={id}"));
            format!(
                "ask {}{}",
                link.unwrap_or_default(),
                last.collect::<String>()
            )
        }
        Output::Skip(item, why) => {
            let why = format!("{why:?}");
            let why = why.split('(').next().unwrap_or_default();
            format!(
                "skip {} {why}",
                item.id.map_or(String::new(), |id| id.to_string())
            )
        }
        Output::Supersede(items) => format!("supersede {items}"),
        Output::Forget(channel) => format!("forget {channel}"),
    }
}

#[test]
fn items_that_follow_are_appended_and_the_first_one_answers_a_long_poll() {
    let mut stream = Run::stream(&[("a", "3"), ("b", "")]);
    assert!(stream
        .begin(false, &["a:3<2", "a:4<3"], &[])
        .contains(&"append 4".to_owned()));
    assert_eq!(
        stream.items(&["a:5<4", "b:", "b:9<1", "b:2", "a:6<5"]),
        ["append 5", "append ", "append 9", "append 2", "append 6"]
    );
    let mut poll = Run::poll(&[("a", "3"), ("b", "")]);
    poll.begin(false, &[], &[]);
    assert_eq!(poll.item("b:1"), ["respond 1"]);
    assert!(poll.item("a:4<3").is_empty() && poll.refresh().is_empty());
    assert_eq!(poll.session.deadline(), None, "it is over");
}

#[test]
fn what_a_session_has_and_what_it_left_is_superseded() {
    let mut run = Run::stream(&[("a", "3")]);
    run.begin(false, &[], &[]);
    assert_eq!(
        run.items(&["a:3<2", "elsewhere:1"]),
        ["supersede 1", "supersede 1"]
    );
    assert_eq!(run.item("a:4<3"), ["append 4"]);
}

#[test]
fn an_item_without_id_ends_the_checking() {
    let mut run = Run::stream(&[("a", "3")]);
    run.begin(false, &[], &[]);
    assert_eq!(
        run.items(&["a:<3", "a:9<7", "a:1"]),
        ["append ", "append 9", "append 1"]
    );
}

#[test]
fn actions_act_and_those_without_meaning_move_the_id_on() {
    let mut run = Run::stream(&[("a", "3")]);
    run.begin(false, &[], &[]);
    assert_eq!(run.items(&["a:4<3 refresh", "a:5<4"]), ["append 5"]);
    assert_eq!(run.item("a:6<5 close"), ["finish Told"]);
    assert!(run.item("a:7<6").is_empty());
    let mut poll = Run::poll(&[("a", "3")]);
    poll.begin(false, &[], &[]);
    assert_eq!(
        poll.items(&["a:4<3 close", "a:5<4 refresh", "a:6<5"]),
        ["respond 6"]
    );
}

#[test]
fn a_gap_closes_by_itself_in_whatever_order_its_items_come() {
    for order in [["a:5<4", "a:6<5", "a:4<3"], ["a:6<5", "a:5<4", "a:4<3"]] {
        let mut run = Run::stream(&[("a", "3")]);
        run.begin(false, &[], &[]);
        assert!(run.items(&order[..2]).is_empty(), "{order:?}");
        let closed = run.item(order[2]);
        assert_eq!(closed, ["append 4", "append 5", "append 6"], "{order:?}");
        assert!(run.wait(200).is_empty(), "nobody has to be asked");
    }
}

#[test]
fn ends_come_in_good_order() {
    let mut stream = Run::stream(&[("a", "3")]);
    stream.begin(false, &[], &[]);
    stream.item("a:5<4");
    stream.session.on_drain();
    stream.session.on_drain();
    assert_eq!(stream.lines(), ["finish Told", "supersede 1"]);
    let mut poll = Run::poll(&[("a", "3")]);
    poll.begin(false, &[], &[]);
    assert_eq!(
        poll.session.deadline(),
        Some(poll.now + Duration::from_secs(55))
    );
    assert_eq!(poll.wait(55_000), ["respond timeout"]);
    poll.session.on_drain();
    assert!(poll.lines().is_empty());
}

#[test]
fn an_idle_stream_is_kept_alive() {
    let now = Instant::now();
    let keep_alive = KeepAlive {
        content: Bytes::from("ka"),
        timeout_secs: 5,
        mode: KeepAliveMode::Interval,
    };
    let hold = StreamHold::new(Some(keep_alive), now, Duration::ZERO);
    let session = Session::stream(hold, Some(link()), terms(&[("a", "")], &[]), now);
    let mut run = Run { session, now };
    assert_eq!(run.wait(5_000), ["keep-alive ka"]);
    assert_eq!(run.wait(5_000), ["keep-alive ka"]);
    assert_eq!(
        run.wait(100),
        ["turn"],
        "and its link is asked after ten silent seconds"
    );
}
