//! The socket that commands come in by, each answered.

use std::{rc::Rc, time::Duration};

use bytes::Bytes;
use uuid::Uuid;

use super::{
    intake::Intake,
    queue::Queue,
    surface::{Role, Work},
};
use crate::{
    actors::broker::Broker,
    engine::zmq::{
        command::{self, Refusal, Request},
        dealing::PeerId,
        options::ZmqOptions,
        tnetstring::Value,
        zmtp::{self, SocketKind},
    },
    grip::{
        channel::ChannelName,
        publish::{Formats, Item, WsFormat},
    },
    http::control,
};

/// How long a publish may wait for its channels before it is answered without their word.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a REP socket does.
pub(super) struct Command(Rc<Commands>);

struct Commands {
    broker: Broker,
    intake: Intake,
    /// What `get-zmq-uris` answers.
    uris: Value,
}

impl Command {
    /// Makes the role; the options say where the sockets are.
    pub(super) fn new(broker: &Broker, options: &ZmqOptions) -> Command {
        let is_bound = |_: &&_| !options.sub_connect;
        let uris = [
            ("command", options.command.as_ref()),
            ("publish-pull", options.pull.as_ref()),
            ("publish-sub", options.sub.first().filter(is_bound)),
        ];
        let uris = uris
            .into_iter()
            .filter_map(|(name, endpoint)| Some((name, Value::bytes(endpoint?.to_string()))));
        Command(Rc::new(Commands {
            broker: broker.clone(),
            intake: Intake::new(broker, SocketKind::Rep.name()),
            uris: Value::map(uris),
        }))
    }
}

impl Role for Command {
    const KIND: SocketKind = SocketKind::Rep;

    fn on_message(&mut self, from: (PeerId, &Queue), frames: Vec<Bytes>) -> Option<Work> {
        let delimiter = frames.iter().position(Bytes::is_empty);
        let request = match delimiter.map(|at| frames.split_at(at + 1)) {
            Some((_, [frame])) => Request::read(frame),
            _ => None,
        };
        let Some(request) = request else {
            let why = "expected an empty frame and a tnetstring, a map";
            self.0.intake.drop_message(why);
            return None;
        };
        #[cfg(feature = "chaos")]
        if let Ok(command::Command::Publish(items)) = &request.command {
            items
                .iter()
                .for_each(|item| crate::actors::chaos::maybe_fail(item, "zmq"));
        }
        let (commands, queue) = (self.0.clone(), from.1.weak());
        Some(Box::pin(async move {
            let outcome = commands.carry_out(request.command.clone()).await;
            let mut answer = frames;
            answer.pop();
            answer.push(request.answer(outcome).into());
            let sent = queue
                .upgrade()
                .map(|queue| queue.push(zmtp::message(&answer)));
            if !matches!(sent, Some(Ok(()))) {
                commands
                    .intake
                    .drop_message("who sent a command does not read its answers");
            }
        }))
    }
}

impl Commands {
    async fn carry_out(
        &self,
        command: Result<command::Command, Refusal>,
    ) -> Result<Value, Refusal> {
        use command::Command;
        match command? {
            Command::ListUris => Ok(self.uris.clone()),
            Command::Recover => {
                self.broker.recover().await;
                Ok(Value::Null)
            }
            Command::CheckConnections(ids) => {
                let found = self.find(&ids, false).await;
                let found = found.into_iter().map(|id| Value::bytes(id.to_string()));
                Ok(Value::List(found.collect()))
            }
            Command::RefreshConnection(id) => match self.find(&[id], true).await.first() {
                Some(_) => Ok(Value::Null),
                None => {
                    let text = "no WebSocket over HTTP has this id";
                    Err(Refusal::new("item-not-found", text))
                }
            },
            Command::RefreshChannel(channel) => {
                self.publish(vec![refreshing(channel)]).await?;
                Ok(Value::Null)
            }
            Command::Publish(items) => {
                self.publish(items).await?;
                Ok(Value::Null)
            }
        }
    }

    async fn find(&self, ids: &[Bytes], is_refresh: bool) -> Vec<Uuid> {
        let ids = ids.iter().filter_map(|id| Uuid::try_parse_ascii(id).ok());
        self.broker
            .find_connections(ids.collect(), is_refresh)
            .await
    }

    async fn publish(&self, items: Vec<Item>) -> Result<(), Refusal> {
        let publishing = self.broker.publish_all(items);
        match actix::clock::timeout(PATIENCE, publishing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failure)) => {
                let (_, condition) = control::failure_status(&failure);
                Err(Refusal::new(condition, failure))
            }
            Err(_) => {
                let text = "the items were accepted, but not all are queued for delivery yet";
                Err(Refusal::new("publish-unconfirmed", text))
            }
        }
    }
}

/// Makes an item that has the backends of a channel's WebSockets asked.
fn refreshing(channel: ChannelName) -> Item {
    Item {
        channel,
        id: None,
        prev_id: None,
        formats: Formats {
            ws: Some(WsFormat::Refresh),
            ..Formats::default()
        },
        meta: Default::default(),
        size: None,
        no_seq: true,
    }
}
