//! A ZeroMQ backend that takes one packet for a request, and connects to P-8 instead of the other way.
//!
//! It binds nothing; `http/zmq` does.

use std::fmt;

use crate::engine::zmq::endpoint::Endpoint;

/// Describes such a backend.
///
/// Displays as `zhttpreq/tcp://127.0.0.1:10000`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Zhttpreq {
    /// Where it connects to.
    pub endpoint: Endpoint,
    /// The permissions of an `ipc` socket; `None`: as the process makes files.
    pub ipc_file_mode: Option<u32>,
    /// The URI that it is told begins with `https`.
    pub is_secure: bool,
    /// It is told to keep to its own rules about where it may go.
    pub is_untrusted: bool,
    /// It is told not to verify certificates.
    pub insecure: bool,
    /// It is told to verify the host that it connects to.
    pub trust_connect_host: bool,
}

impl Zhttpreq {
    /// Describes one with every option off.
    pub fn new(endpoint: Endpoint) -> Zhttpreq {
        Zhttpreq {
            endpoint,
            ipc_file_mode: None,
            is_secure: false,
            is_untrusted: false,
            insecure: false,
            trust_connect_host: false,
        }
    }
}

impl fmt::Display for Zhttpreq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "zhttpreq/{}", self.endpoint)
    }
}
