//! What goes over ZeroMQ besides requests to backends: items pushed and published to P-8.
//!
//! Source: `docs/zmq.md`. The other side is the crate `zeromq`, or bytes as the test says
//! (`support/zmtp`). `pushing`: PULL; `publishing`: SUB;
//! `commanding`: REP; `statistics`: PUB.

use bytes::Bytes;
use p8::engine::zmq::tnetstring::Value;
use serde_json::Value as Json;
use tokio::runtime::Runtime;
use zeromq::{PubSocket, PushSocket, ReqSocket, Socket, SocketRecv, SocketSend, ZmqMessage};

use crate::support::grip::hold;
use crate::support::programs::TempDir;
use crate::support::zmtp::ipc;
use crate::support::{Backend, Config, P8};

mod commanding;
mod publishing;
mod pushing;
mod statistics;

/// P-8 with one socket of `[zmq]`, before a backend whose every path is a stream on its channel.
struct Site {
    p8: P8,
    spec: String,
    _backend: Backend,
    _folder: TempDir,
}

impl Site {
    /// With that key set to an address of its own; `list` if it takes several.
    #[track_caller]
    fn with(key: &str, more: impl FnOnce(Config) -> Config) -> Site {
        let folder = TempDir::new("zmq");
        let spec = ipc(folder.path());
        let backend = Backend::answering(|request| {
            let channel = request.target.trim_start_matches('/').to_owned();
            hold("stream", &channel, "")
        });
        let config = Config::to(backend.addr).zmq(&format!("{key} = \"{spec}\""));
        Site {
            p8: P8::start(&more(config)),
            spec,
            _backend: backend,
            _folder: folder,
        }
    }
}

fn runtime() -> Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(1).enable_all().build();
    runtime.expect("a runtime")
}

/// A REQ socket of the crate `zeromq`.
struct Req {
    runtime: Runtime,
    socket: ReqSocket,
}

impl Req {
    #[track_caller]
    fn connect(spec: &str) -> Req {
        let (runtime, mut socket) = (runtime(), ReqSocket::new());
        let connecting = socket.connect(spec);
        runtime.block_on(connecting).expect("it connects");
        Req { runtime, socket }
    }

    /// Sends a command and waits for its answer.
    #[track_caller]
    fn ask(&mut self, command: &Value) -> Value {
        let mut frame = Vec::new();
        command.write(&mut frame);
        let asking = async {
            let message = ZmqMessage::from(Bytes::from(frame));
            self.socket.send(message).await.expect("it is sent");
            self.socket.recv().await.expect("an answer")
        };
        let answer = self.runtime.block_on(asking);
        Value::read(answer.get(0).expect("a frame")).expect("a tnetstring")
    }
}

fn map(pairs: Vec<(&'static str, Value)>) -> Value {
    let pairs = pairs.into_iter();
    Value::Map(pairs.map(|(key, value)| (key.into(), value)).collect())
}

/// A PUSH socket of the crate `zeromq`.
struct Push {
    runtime: Runtime,
    socket: PushSocket,
}

impl Push {
    #[track_caller]
    fn connect(spec: &str) -> Push {
        let (runtime, mut socket) = (runtime(), PushSocket::new());
        let connecting = socket.connect(spec);
        runtime.block_on(connecting).expect("it connects");
        Push { runtime, socket }
    }

    #[track_caller]
    fn send(&mut self, frame: impl Into<Bytes>) {
        let message = ZmqMessage::from(frame.into());
        let sending = self.socket.send(message);
        self.runtime.block_on(sending).expect("it is sent");
    }
}

/// A PUB socket of the crate `zeromq`.
struct Pub {
    runtime: Runtime,
    socket: PubSocket,
}

impl Pub {
    #[track_caller]
    fn connect(spec: &str) -> Pub {
        let runtime = runtime();
        let mut socket = {
            let _inside = runtime.enter();
            PubSocket::new()
        };
        let connecting = socket.connect(spec);
        runtime.block_on(connecting).expect("it connects");
        Pub { runtime, socket }
    }

    /// Publishes an item, to whoever has subscribed by now.
    #[track_caller]
    fn send(&mut self, topic: &'static str, frame: Bytes) {
        let mut message = ZmqMessage::from(frame);
        message.push_front(Bytes::from(topic));
        let sending = self.socket.send(message);
        self.runtime.block_on(sending).expect("it is sent");
    }
}

/// An item as JSON, for ZeroMQ.
fn json(item: &Json) -> Bytes {
    format!("J{item}").into()
}

/// An item for streams as a tnetstring, behind that prefix.
fn tnetstring(prefix: &str, channel: &str, content: impl Into<Bytes>) -> Bytes {
    let stream = map(vec![("content", Value::bytes(content))]);
    let item = map(vec![
        ("channel", Value::bytes(channel.to_owned())),
        ("formats", map(vec![("http-stream", stream)])),
    ]);
    let mut frame = prefix.as_bytes().to_vec();
    item.write(&mut frame);
    frame.into()
}
