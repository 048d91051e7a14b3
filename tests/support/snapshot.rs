//! What `GET /admin/api/snapshot` tells. The one place that knows the document's shape.

use std::net::SocketAddr;

use serde_json::Value;

use super::client::Client;
use super::wait::{wait_until, DEADLINE};

/// One reading of the counters.
#[derive(Debug)]
pub struct Snapshot(Value);

impl Snapshot {
    #[track_caller]
    pub fn take(control: SocketAddr) -> Snapshot {
        let reply = Client::connect(control).get("/admin/api/snapshot");
        assert_eq!(reply.status(), 200, "{}", reply.text());
        Snapshot(serde_json::from_slice(&reply.body).expect("the snapshot is JSON"))
    }

    /// The document itself.
    pub fn json(&self) -> &Value {
        &self.0
    }

    /// A member of `totals`, 0 if absent.
    pub fn total(&self, name: &str) -> u64 {
        self.0["totals"][name].as_u64().unwrap_or(0)
    }

    /// How many items did not reach a session, for that reason.
    pub fn dropped(&self, reason: &str) -> u64 {
        self.0["dropped"][reason].as_u64().unwrap_or(0)
    }

    /// How often something was refused, for that reason.
    pub fn refused(&self, reason: &str) -> u64 {
        self.0["refused"][reason].as_u64().unwrap_or(0)
    }

    /// How many actors of that kind there are.
    pub fn actors(&self, kind: &str) -> u64 {
        self.0["actors"][kind]["count"].as_u64().unwrap_or(0)
    }

    /// How many messages wait for actors of that kind.
    pub fn waiting(&self, kind: &str) -> u64 {
        self.0["actors"][kind]["mailbox"].as_u64().unwrap_or(0)
    }

    /// How often actors of that kind were restarted.
    pub fn restarts(&self, kind: &str) -> u64 {
        self.0["actors"][kind]["restarts"].as_u64().unwrap_or(0)
    }

    /// How many sessions are on that channel.
    pub fn subscribers(&self, channel: &str) -> u64 {
        let channels = self.0["channels"].as_array().map_or(&[][..], Vec::as_slice);
        let named = channels.iter().filter(|c| c["name"] == channel);
        named.map(|c| c["subscribers"].as_u64().unwrap_or(0)).sum()
    }

    /// Waits until that many sessions are on that channel.
    #[track_caller]
    pub fn wait_for_subscribers(control: SocketAddr, channel: &str, count: u64) {
        wait_until(
            DEADLINE,
            &format!("{count} subscribers of {channel}"),
            || Snapshot::take(control).subscribers(channel) == count,
        );
    }
}
