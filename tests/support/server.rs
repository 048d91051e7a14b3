//! P-8 itself, started in this process on ports of its own, in a thread with its own actix System.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use serde_json::Value;
use tokio::sync::oneshot;

use super::client::Client;
use super::config::Config;
use super::publish;
use super::snapshot::Snapshot;

/// A running P-8; dropping it drains and stops it.
pub struct P8 {
    pub clients: SocketAddr,
    /// Every address for clients, those without TLS first.
    pub all: Vec<SocketAddr>,
    pub control: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl P8 {
    /// Starts P-8 with that configuration; a refusal fails the test.
    #[track_caller]
    pub fn start(config: &Config) -> P8 {
        let settings = p8::Settings::from_toml(&config.toml()).expect("a good configuration");
        let (started, addresses) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            actix::System::new().block_on(async move {
                let server = p8::Server::start(settings).await.expect("P-8 starts");
                started
                    .send((server.client_addrs(), server.control_addr()))
                    .expect("the test waits");
                drop(stopped.await);
                server.stop().await;
            });
        });
        let (all, control) = addresses.recv().expect("P-8 starts");
        P8 {
            clients: *all.first().expect("a client listener"),
            all,
            control,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// The address of the clients that speak TLS, if it is the last one.
    #[track_caller]
    pub fn secure(&self) -> SocketAddr {
        *self.all.last().expect("a client listener")
    }

    /// A new client connection.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::connect(self.clients)
    }

    /// One GET on a connection of its own.
    #[track_caller]
    pub fn get(&self, target: &str) -> super::client::Reply {
        self.client().get(target)
    }

    /// Opens a stream and reads its head; from then on it is subscribed.
    #[track_caller]
    pub fn stream(&self, target: &str) -> Client {
        let mut client = self.client();
        client.request("GET", target, &[], b"");
        let head = client.final_head();
        assert_eq!(head.status, 200, "the stream opens: {head:?}");
        client
    }

    /// Sends a long-poll and waits until `channel` has `subscribers` of them.
    #[track_caller]
    pub fn long_poll(&self, target: &str, channel: &str, subscribers: u64) -> Client {
        let mut client = self.client();
        client.request("GET", target, &[], b"");
        Snapshot::wait_for_subscribers(self.control, channel, subscribers);
        client
    }

    /// Publishes these items; they must be accepted.
    #[track_caller]
    pub fn publish(&self, items: &[Value]) {
        publish::publish(self.control, items);
    }

    /// What `/admin` tells now.
    #[track_caller]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(self.control)
    }
}

impl Drop for P8 {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
        let ended = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            ended.expect("a thread").expect("P-8's thread ends well");
        }
    }
}
