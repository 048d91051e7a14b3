//! Clients that are held from the beginning to the end, of every kind.

use std::time::Duration;

use crate::support::http2::{Http2Client, Open};
use crate::support::tls::{Trust, ANY};
use crate::support::ws::WsClient;
use crate::support::Client;

use super::publishers::Account;
use super::{Subject, CHANNELS, NAME};

/// HTTP/2 streams on one connection.
const STREAMS: usize = 50;

/// A client of a channel, by its number.
struct Of<T>(usize, T);

/// All of them.
#[derive(Default)]
pub struct Held {
    streams: Vec<Of<Client>>,
    polls: Vec<Client>,
    sockets: Vec<Of<WsClient>>,
    http2: Vec<(Http2Client, Vec<Of<Open>>)>,
}

impl Held {
    /// Opens so many: of eight, four are streams, one of them over TLS, and one is a WebSocket, one a
    /// long-poll, two are streams over HTTP/2.
    #[track_caller]
    pub fn open(subject: &Subject, count: usize) -> Held {
        let mut held = Held::default();
        let clients = subject.p8.clients;
        let banner = &subject.p8.banner;
        let secure = banner.split("https://").nth(1).expect("a TLS listener");
        let secure = secure.split_whitespace().next().expect("an address");
        let secure = secure.trim_end_matches('/').parse().expect("an address");
        let trust = Trust::only(&[&subject.certificate], ANY);
        for n in 0..count {
            let channel = n / 8 % CHANNELS;
            match n % 8 {
                0..=2 => held.add_stream(channel, Client::connect(clients)),
                3 => held.add_stream(channel, trust.client(secure, NAME)),
                4 => {
                    let target = format!("/ws/c{channel}");
                    let socket = WsClient::connect(clients, &target, &[]);
                    held.sockets
                        .push(Of(channel, socket.expect("it is accepted")));
                }
                5 => {
                    let mut poll = Client::connect(clients);
                    poll.request("GET", "/poll/polls", &[], b"");
                    held.polls.push(poll);
                }
                _ => held.add_http2(channel, clients),
            }
        }
        let polls = held.polls.len() as u64;
        crate::support::snapshot::Snapshot::wait_for_subscribers(
            subject.p8.control,
            "polls",
            polls,
        );
        held
    }

    fn add_stream(&mut self, channel: usize, mut client: Client) {
        client.request("GET", &format!("/stream/c{channel}"), &[], b"");
        assert_eq!(client.final_head().status, 200);
        self.streams.push(Of(channel, client));
    }

    fn add_http2(&mut self, channel: usize, clients: std::net::SocketAddr) {
        if self
            .http2
            .last()
            .is_none_or(|(_, open)| open.len() == STREAMS)
        {
            let mut builder = h2::client::Builder::new();
            builder.initial_connection_window_size(1 << 28);
            builder.initial_window_size(1 << 24);
            let client = Http2Client::connect_with(clients, &builder);
            self.http2.push((client, Vec::new()));
        }
        if let Some((client, open)) = self.http2.last_mut() {
            let stream = client.stream(&format!("/stream/c{channel}"));
            open.push(Of(channel, stream));
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        let http2: usize = self.http2.iter().map(|(_, open)| open.len()).sum();
        self.streams.len() + self.polls.len() + self.sockets.len() + http2
    }

    /// They leave.
    pub fn close(self) {
        let connections = self.http2.into_iter();
        connections.for_each(|(client, _)| client.cut());
    }

    /// Reads all of them to their ends: each got what was accepted, once and in order, or missed only
    /// what a crash took from it. Returns how many items were missed.
    #[track_caller]
    pub fn check(self, account: &Account) -> usize {
        let mut missed = 0;
        for Of(channel, mut client) in self.streams {
            let body = client.read_to_end().expect("no stream is lost");
            missed += account.check(channel, &String::from_utf8_lossy(&body));
        }
        for Of(channel, mut socket) in self.sockets {
            missed += account.check(channel, &socket.texts_until_gone().concat());
        }
        for (client, streams) in self.http2 {
            for Of(channel, mut open) in streams {
                let body = client.read_to_end(&mut open).expect("no stream is lost");
                missed += account.check(channel, &String::from_utf8_lossy(&body));
            }
            client.cut();
        }
        for mut poll in self.polls {
            assert_eq!(poll.reply().text(), "the end", "no poll is lost");
        }
        missed
    }
}

/// How long a client that is about to go looks at what comes.
pub const GLANCE: Duration = Duration::from_millis(20);
