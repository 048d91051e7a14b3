//! What a channel tells its hubs, on a clock that goes on by itself.

use std::time::Duration;

use super::*;
use crate::actors::outgoing::HUB_QUEUE_MAX;
use crate::{
    actors::{
        handler_state::{HandlerOptions, HandlerView},
        messages::{Depth, Ticket},
        supervisor::{supervise, CrashRecord},
        waiting::Bulk,
    },
    grip::{channel::ItemId, publish::Formats},
};

/// Keeps what it is told.
#[derive(Default)]
struct Listener(Rc<RefCell<Vec<String>>>);

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<FromChannels> for Listener {
    type Result = ();

    fn handle(&mut self, FromChannels(messages): FromChannels, _: &mut Self::Context) {
        let text = |id: &Option<ItemId>| id.as_ref().map_or("none".to_owned(), ItemId::to_string);
        let said = messages.into_iter().map(|sent| match sent.message {
            FromChannel::Subscribed { last, .. } => format!("subscribed {}", text(&last)),
            FromChannel::Refused { .. } => "refused".to_owned(),
            FromChannel::Deliver { encoded, .. } => text(&encoded.item.id),
            FromChannel::Refresh { .. } => "refresh".to_owned(),
        });
        self.0.borrow_mut().extend(said);
    }
}

impl Handler<ChannelEmptied> for Listener {
    type Result = ();

    fn handle(&mut self, _: ChannelEmptied, _: &mut Self::Context) {
        self.0.borrow_mut().push("emptied".to_owned());
    }
}

/// A channel with a listener as its publisher and as its only hub.
struct Setup {
    channel: Addr<Channel>,
    state: Rc<RefCell<ChannelState>>,
    hub: HubLink,
    heard: Rc<RefCell<Vec<String>>>,
}

impl Setup {
    fn new(update_on_first_subscription: bool) -> Self {
        tokio::time::pause();
        let heard = Rc::default();
        let listener = Listener(Rc::clone(&heard)).start();
        let options = HandlerOptions {
            update_on_first_subscription,
            ..HandlerOptions::default()
        };
        let publisher = listener.clone().recipient();
        let state = Rc::<RefCell<ChannelState>>::default();
        let beside = state.clone();
        let channel = supervise(CrashRecord::new("channel"), |_| {
            let handler = Rc::new(HandlerState::new(options, HandlerView::default()));
            actix_rt::spawn(handler.outgoing.clone().carry());
            Channel::new(("a".into(), 0), beside, publisher, handler)
        });
        let hub = HubLink {
            id: 1,
            recipient: Arc::new(listener.recipient()),
            waiting: Depth::default(),
            deflating: Depth::default(),
        };
        Self {
            channel,
            state,
            hub,
            heard,
        }
    }

    async fn subscribe(&self) {
        let subscribe = Subscribe {
            tally: Arc::default(),
            channel: "a".into(),
            hub: self.hub.clone(),
            generation: 1,
            waiting: None,
        };
        self.channel.send(subscribe).await.expect("it runs");
    }

    async fn unsubscribe(&self) {
        let unsubscribe = Unsubscribe {
            channel: "a".into(),
            hub_id: 1,
            generation: 1,
            waiting: None,
        };
        self.channel.send(unsubscribe).await.expect("it runs");
    }

    async fn publish(&self, id: &str, prev_id: Option<&str>) {
        let item = Item {
            channel: "a".into(),
            id: Some(id.into()),
            prev_id: prev_id.map(ItemId::from),
            formats: Formats::default(),
            meta: Default::default(),
            size: None,
            no_seq: false,
        };
        let accept = Accept {
            slip: None,
            item,
            ticket: Ticket::new(1).0,
            since: actix::clock::Instant::now().into_std(),
            waiting: (Depth::default().enter(), Bulk::default().enter(0)),
        };
        self.channel.send(accept).await.expect("it runs");
    }

    /// Lets the time go on, and gives what was heard up to then.
    async fn heard_after(&self, ms: u64) -> Vec<String> {
        actix::clock::sleep(Duration::from_millis(ms)).await;
        self.heard.take()
    }
}

#[actix_rt::test]
async fn a_channel_that_is_new_here_has_its_sessions_ask_again_after_a_second() {
    let setup = Setup::new(true);
    setup.subscribe().await;
    assert_eq!(setup.heard_after(990).await, ["subscribed none"]);
    assert_eq!(setup.heard_after(20).await, ["refresh"]);
    assert_eq!(setup.heard_after(10_000).await, [""; 0]);
    setup.subscribe().await;
    assert_eq!(setup.heard_after(10_000).await, ["subscribed none"]);
}

#[actix_rt::test]
async fn a_channel_that_was_left_meanwhile_begins_its_second_anew() {
    let setup = Setup::new(true);
    setup.subscribe().await;
    setup.unsubscribe().await;
    assert_eq!(setup.heard_after(900).await, ["subscribed none", "emptied"]);
    setup.subscribe().await;
    assert_eq!(setup.heard_after(990).await, ["subscribed none"]);
    assert_eq!(setup.heard_after(20).await, ["refresh"]);
}

#[actix_rt::test]
async fn without_the_option_nobody_asks_again() {
    let setup = Setup::new(false);
    setup.subscribe().await;
    assert_eq!(setup.heard_after(10_000).await, ["subscribed none"]);
}

#[actix_rt::test]
async fn a_new_subscription_hears_the_last_id_until_it_is_forgotten() {
    let setup = Setup::new(false);
    setup.subscribe().await;
    setup.publish("1", None).await;
    setup.subscribe().await;
    assert_eq!(
        setup.heard_after(1).await,
        ["subscribed none", "1", "subscribed 1"]
    );
    setup.unsubscribe().await;
    setup.subscribe().await;
    assert_eq!(setup.heard_after(1).await, ["emptied", "subscribed none"]);
}

#[actix_rt::test]
async fn a_last_id_is_only_forgotten_if_it_still_is_that_one() {
    let setup = Setup::new(false);
    setup.subscribe().await;
    setup.publish("2", None).await;
    for (only, expected) in [("1", "subscribed 2"), ("2", "subscribed none")] {
        setup.heard.take();
        setup.state.borrow_mut().forget_last(Some(&only.into()));
        setup.subscribe().await;
        assert_eq!(setup.heard_after(1).await, [expected]);
    }
}

#[actix_rt::test]
async fn a_hub_that_is_behind_gets_a_chain_in_order() {
    let setup = Setup::new(false);
    // The listener never says that it has caught up, so every message is waited for.
    let _behind: Vec<_> = (0..HUB_QUEUE_MAX)
        .map(|_| setup.hub.waiting.enter())
        .collect();
    setup.subscribe().await;
    for (id, prev_id) in [("1", None), ("3", Some("2")), ("4", Some("3"))] {
        setup.publish(id, prev_id).await;
    }
    setup.publish("2", Some("1")).await;
    setup.publish("5", Some("4")).await;
    assert_eq!(
        setup.heard_after(1).await,
        ["subscribed none", "1", "2", "3", "4", "5"]
    );
}

#[actix_rt::test]
async fn a_channel_that_has_ended_leaves_no_timer_behind() {
    let setup = Setup::new(true);
    let state = Rc::downgrade(&setup.state);
    setup.subscribe().await;
    setup.publish("1", None).await;
    setup.publish("3", Some("2")).await;
    setup.unsubscribe().await;
    drop(setup);
    actix::clock::sleep(Duration::from_millis(1)).await;
    assert!(state.upgrade().is_none());
}
