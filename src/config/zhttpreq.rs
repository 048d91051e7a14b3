//! The second stage of targets that are ZeroMQ backends: `{ zhttpreq = "tcp://127.0.0.1:10000" }`.
//!
//! It binds nothing; see `http::zmq`.

use std::collections::BTreeSet;

use super::error::ConfigError;
use super::file;
use super::routes::OneRoute;
use crate::engine::route::{Route, TargetKind, Zhttpreq};
use crate::engine::zmq::endpoint::Endpoint;

/// Sockets for backends that all routes may name together.
const SOCKETS_MAX: usize = 100;

impl OneRoute<'_, '_> {
    /// Reads the keys of a ZeroMQ backend, if the target is one.
    pub(super) fn zhttpreq(
        &self,
        position: &str,
        written: &file::Target,
    ) -> Result<Option<Zhttpreq>, ConfigError> {
        let at = |key| ["targets", position, key];
        if let Some(spec) = &written.zhttp {
            let expected = "zhttpreq = \"...\": only backends of one packet a request are there, \
                            streaming ones (zhttp) are not";
            return Err(self.wrong(&at("zhttp"), spec, expected));
        }
        let Some(spec) = &written.zhttpreq else {
            if written.ipc_file_mode.is_some() || written.ssl.is_some() {
                let expected = "zhttpreq: ssl and ipc_file_mode are for it only (a url says https)";
                return Err(self.missing(&at("zhttpreq"), expected));
            }
            return Ok(None);
        };
        let is_one = written.url.is_none() && written.test.is_none() && written.demo.is_none();
        let endpoint = Endpoint::parse(spec).filter(|_| is_one).ok_or_else(|| {
            let expected = "\"tcp://address:port\" or \"ipc:///path\", and no url, test or demo";
            self.wrong(&at("zhttpreq"), spec, expected)
        })?;
        let of_servers = [
            ("client_cert", written.client_cert.is_some()),
            ("client_key", written.client_key.is_some()),
            ("ca_cert", written.ca_cert.is_some()),
            ("http2", written.http2.is_some()),
            ("health", written.health.is_some()),
        ];
        if let Some((key, _)) = of_servers.iter().find(|(_, is_set)| *is_set) {
            return Err(self.wrong(&at(key), spec, "no such key beside zhttpreq"));
        }
        let mut backend = Zhttpreq::new(endpoint);
        backend.ipc_file_mode = self.checker.file_mode(
            &self.path(&at("ipc_file_mode")),
            written.ipc_file_mode.as_deref(),
        )?;
        backend.is_secure = written.ssl.unwrap_or(false);
        backend.is_untrusted = written.untrusted.unwrap_or(false);
        backend.insecure = written.insecure.unwrap_or(false);
        backend.trust_connect_host = written.trust_connect_host.unwrap_or(false);
        Ok(Some(backend))
    }

    /// Refuses more sockets than there may be.
    pub(super) fn check_sockets(
        &self,
        earlier: &[Route],
        route: &Route,
    ) -> Result<(), ConfigError> {
        let targets = earlier
            .iter()
            .chain([route])
            .flat_map(|route| &route.targets);
        let endpoints = targets.filter_map(|target| match &target.kind {
            TargetKind::Zhttpreq(backend) => Some(backend.endpoint.to_string()),
            _ => None,
        });
        let endpoints: BTreeSet<String> = endpoints.collect();
        if endpoints.len() <= SOCKETS_MAX {
            return Ok(());
        }
        let expected = "at most 100 addresses of ZeroMQ backends in all routes";
        Err(self.missing(&["targets"], expected))
    }
}
