//! ZeroMQ backends: one made with the crate `zeromq`, and one that writes bytes as the test says.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use p8::engine::zmq::tnetstring::Value;
use p8::engine::zmq::zmtp;
use tokio::sync::oneshot;
use zeromq::{RepSocket, Socket, SocketRecv, SocketSend, ZmqMessage};

use crate::support::wait::DEADLINE;
use crate::support::wait_until;

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

/// A connection that has greeted, and sends and reads bytes.
pub struct Raw(pub UnixStream);

impl Raw {
    /// Connects to the socket at that path as a REP.
    #[track_caller]
    pub fn connect(path: &Path) -> Raw {
        let mut stream = None;
        wait_until(DEADLINE, "the socket", || {
            stream = UnixStream::connect(path).ok();
            stream.is_some()
        });
        let mut raw = Raw(stream.expect("a connection"));
        raw.0.set_read_timeout(Some(DEADLINE)).expect("a time-out");
        raw.send(&zmtp::greeting());
        raw.send(b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03REP");
        let mut greeting = [0; 64 + 30];
        raw.0.read_exact(&mut greeting).expect("a greeting");
        raw
    }

    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("it is open");
    }

    /// Reads the next request: an empty frame, then the packet.
    #[track_caller]
    pub fn request(&mut self) -> Value {
        let mut head = [0; 3];
        self.0.read_exact(&mut head).expect("a message");
        assert_eq!(head[..2], [1, 0]);
        let length = if head[2] & 2 == 0 {
            let mut length = [0];
            self.0.read_exact(&mut length).expect("a length");
            u64::from(length[0])
        } else {
            let mut length = [0; 8];
            self.0.read_exact(&mut length).expect("a length");
            u64::from_be_bytes(length)
        };
        let mut packet = vec![0; usize::try_from(length).expect("a length")];
        self.0.read_exact(&mut packet).expect("a packet");
        Value::read(&Bytes::from(packet).slice(1..)).expect("a packet")
    }

    /// P-8 has closed the connection.
    #[track_caller]
    pub fn expect_end(&mut self) {
        let mut rest = Vec::new();
        let ended = self.0.read_to_end(&mut rest);
        let reset = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionReset;
        assert!(
            ended.is_ok() || ended.as_ref().is_err_and(reset),
            "{ended:?}"
        );
    }
}

/// Specs of their own, in a folder.
pub fn ipc(folder: &Path) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::SeqCst);
    format!("ipc://{}", folder.join(format!("z{number}")).display())
}
