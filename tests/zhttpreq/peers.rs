//! ZeroMQ backends made with the crate `zeromq`.

use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use p8::engine::zmq::tnetstring::Value;
use tokio::sync::oneshot;
use zeromq::{RepSocket, Socket, SocketRecv, SocketSend, ZmqMessage};

/// The fields of a packet.
pub type Fields = Vec<(&'static str, Value)>;

/// A REP socket that answers each request as a closure says; dropping it closes its connection.
pub struct Rep {
    seen: Arc<Mutex<Vec<Value>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Rep {
    /// Connects, and answers the id of each request and these fields.
    pub fn connect(spec: &str, answer: impl Fn(&Value) -> Fields + Send + 'static) -> Rep {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = oneshot::channel();
        let (spec, noted) = (spec.to_owned(), seen.clone());
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().expect("a runtime");
            let serve = async move {
                let mut socket = RepSocket::new();
                socket.connect(&spec).await.expect("it connects");
                while let Ok(message) = socket.recv().await {
                    let packet = message.get(0).expect("a frame").clone();
                    assert_eq!(packet.first(), Some(&b'T'));
                    let request = Value::read(&packet.slice(1..)).expect("a packet");
                    noted.lock().unwrap().push(request.clone());
                    let reply = ZmqMessage::from(packet_of(&request, answer(&request)));
                    if socket.send(reply).await.is_err() {
                        break;
                    }
                }
            };
            runtime.block_on(async move {
                tokio::select! {
                    () = serve => {}
                    _ = stopped => {}
                }
            });
        });
        Rep {
            seen,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Value> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Rep {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

/// A packet with the id of a request and these fields.
pub fn packet_of(request: &Value, fields: Fields) -> Bytes {
    let id = ("id", request.get("id").expect("an id").clone());
    let pairs = [id].into_iter().chain(fields);
    let pairs = pairs
        .map(|(key, value)| (Bytes::from(key), value))
        .collect();
    let mut packet = vec![b'T'];
    Value::Map(pairs).write(&mut packet);
    packet.into()
}

/// A field of a packet as text.
#[track_caller]
pub fn text(packet: &Value, key: &str) -> String {
    let bytes = packet.get(key).and_then(Value::as_bytes);
    let bytes = bytes.unwrap_or_else(|| panic!("{key} in {packet:?}"));
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}
