//! Checked and unchecked channels, and what waits between two words of the backend.

use super::*;
use crate::grip::publish::Formats;

fn item(channel: &str, id: Option<&str>, prev_id: Option<&str>) -> Item {
    Item {
        channel: ChannelName::new(channel),
        id: id.map(ItemId::new),
        prev_id: prev_id.map(ItemId::new),
        formats: Formats::default(),
        meta: Default::default(),
        size: None,
        no_seq: false,
    }
}

fn ids(channels: &[(&str, Option<&str>)]) -> PrevIds {
    let subscriptions: Vec<_> = channels
        .iter()
        .map(|(channel, prev_id)| Subscription {
            channel: ChannelName::new(channel),
            prev_id: prev_id.map(ItemId::new),
            filters: Vec::new(),
        })
        .collect();
    PrevIds::new(&[ChannelName::new("own")], &subscriptions, Some("p-"))
}

#[test]
fn only_channels_with_a_prev_id_are_checked() {
    let ids = ids(&[("a", Some("3")), ("b", None)]);
    for (channel, prev_id, follows) in [
        ("p-a", Some("3"), true),
        ("p-a", Some("4"), false),
        ("p-a", None, false),
        ("p-b", None, true),
        ("own", Some("9"), true),
        ("elsewhere", Some("9"), true),
    ] {
        let item = item(channel, Some("x"), prev_id);
        assert_eq!(ids.follows(&item), follows, "{channel} {prev_id:?}");
    }
    let last = [(ChannelName::new("a"), ItemId::new("3"))];
    assert_eq!(ids.last(), last, "the backend knows the bare name");
    let names: Vec<_> = ids.ids().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["own", "a", "b"]);
}

#[test]
fn items_move_the_id_on_and_one_without_id_ends_the_checking() {
    let mut ids = ids(&[("a", Some("3")), ("b", None)]);
    ids.advance(&item("p-a", Some("4"), Some("3")));
    ids.advance(&item("p-b", Some("9"), None));
    assert_eq!(ids.last(), [(ChannelName::new("a"), ItemId::new("4"))]);
    assert!(ids.has(&item("p-a", Some("4"), None)));
    let before = ids.advance(&item("p-a", None, Some("4")));
    assert!(!ids.is_checked() && ids.follows(&item("p-a", None, Some("99"))));
    ids.go_back(before);
    assert!(ids.follows(&item("p-a", None, Some("4"))) && ids.is_checked());
}

#[test]
fn a_silent_channel_is_noticed_once_a_period() {
    let mut ids = ids(&[("a", None)]);
    ids.advance(&item("p-a", None, None));
    assert!(!ids.were_all_heard(), "the implicit one was silent");
    ids.advance(&item("p-a", None, None));
    ids.advance(&item("own", None, None));
    assert!(ids.were_all_heard());
    assert!(!ids.were_all_heard());
    assert!(!PrevIds::default().were_all_heard());
}

#[test]
fn what_the_backend_covers_is_taken_out_of_what_waits() {
    let chain = |ids: &[u32]| -> VecDeque<Item> {
        let item = |n: &u32| {
            let prev_id = (n - 1).to_string();
            item("p-a", Some(&n.to_string()), Some(&prev_id))
        };
        ids.iter().map(item).collect()
    };
    // What is not linked to the last item is kept once, and given up if it is doubted already.
    for (waiting, known, linked, unlinked) in [
        (&[4, 5, 6][..], "3", &["4", "5", "6"][..], &[][..]),
        (&[4, 5, 6], "5", &["6"], &[]),
        (&[4, 5, 6], "6", &[], &[]),
        (&[6, 4, 5], "4", &["5", "6"], &[]),
        (&[5, 4, 4, 6, 5], "3", &["4", "5", "6"], &[]),
        (&[5, 6], "3", &[], &["5", "6"]),
        (&[5, 6], "9", &[], &["5", "6"]),
        (&[7, 4, 5], "3", &["4", "5"], &["7"]),
        (&[], "9", &[], &[]),
    ] {
        let ids = ids(&[("a", Some(known))]);
        for (doubtful, kept) in [(0, [linked, unlinked].concat()), (9, linked.to_vec())] {
            let mut items = chain(waiting);
            assert_eq!(ids.is_bridged(&items, |item| item), unlinked.is_empty());
            let superseded = ids.catch_up(&mut items, |item| item, doubtful);
            let left = items.iter().filter_map(|item| item.id.as_ref());
            let left: Vec<_> = left.map(ItemId::as_str).collect();
            assert_eq!(left, kept, "{waiting:?} after {known}");
            assert_eq!(superseded, waiting.len() - kept.len());
        }
    }
}

#[test]
fn whatever_came_follows_an_item_without_id() {
    let mut items = VecDeque::from([
        item("p-a", Some("9"), None),
        item("p-b", Some("7"), None),
        item("p-a", None, Some("3")),
    ]);
    let ids = ids(&[("a", Some("3")), ("b", None)]);
    assert!(ids.is_bridged(&items, |item| item));
    let superseded = ids.catch_up(&mut items, |item| item, 9);
    assert_eq!(superseded, 0);
    let left: Vec<_> = items.iter().map(|item| item.id.as_ref()).collect();
    let id = |text| ItemId::new(text);
    assert_eq!(
        left,
        [None, Some(&id("7")), Some(&id("9"))],
        "b keeps its place"
    );
}

#[test]
fn unchecked_items_wait_on_and_those_of_left_channels_go() {
    let mut waiting = VecDeque::from([
        item("p-b", Some("1"), None),
        item("p-gone", Some("1"), None),
    ]);
    let superseded = ids(&[("b", None)]).catch_up(&mut waiting, |item| item, 0);
    assert_eq!((waiting.len(), superseded), (1, 1));
}
