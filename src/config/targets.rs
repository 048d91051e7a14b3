//! The second stage of a route's targets: from `{ url = "http://host:port" }` to [`Target`].
//!
//! It opens no connection and resolves no name.

use http::Uri;

use super::choice::CheckTimes;
use super::error::ConfigError;
use super::file;
use super::routes::OneRoute;
use crate::engine::route::{Target, TargetKind};
use crate::grip::channel::ChannelName;

impl OneRoute<'_, '_> {
    /// Checks all targets, in the order tried.
    pub(super) fn targets(
        &mut self,
        written: Vec<file::Target>,
        check: CheckTimes,
    ) -> Result<Vec<Target>, ConfigError> {
        if written.is_empty() {
            let expected = "at least one target such as { url = \"http://localhost:80\" }";
            return Err(self.missing(&["targets"], expected));
        }
        let mut targets = Vec::with_capacity(written.len());
        for (position, target) in written.into_iter().enumerate() {
            targets.push(self.target(&position.to_string(), target, check)?);
        }
        Ok(targets)
    }

    fn target(
        &mut self,
        position: &str,
        written: file::Target,
        check: CheckTimes,
    ) -> Result<Target, ConfigError> {
        let at = |key| ["targets", position, key];
        let verified = "no https target can be reached";
        self.not_built(&at("insecure"), written.insecure == Some(true), verified);
        let mut target = Target::new(self.target_kind(position, &written)?);
        if let TargetKind::Http { tls, .. } = target.kind {
            let unreachable = "requests to this https target are answered 502";
            self.not_built(&at("url"), tls, unreachable);
        }
        target.host = self.host_header(&at("host"), written.host.as_deref())?;
        target.is_untrusted = written.untrusted.unwrap_or(false);
        target.insecure = written.insecure.unwrap_or(false);
        target.over_http = written.over_http.unwrap_or(false);
        target.one_event = written.one_event.unwrap_or(false);
        target.health = self.health(
            &at("health"),
            written.health.as_deref(),
            (&target.kind, check),
        )?;
        for channel in written.subs.iter().flatten() {
            if channel.is_empty() {
                return Err(self.wrong(&at("subs"), "", "names of channels"));
            }
            target.subs.push(ChannelName::new(channel));
        }
        Ok(target)
    }

    fn target_kind(
        &self,
        position: &str,
        written: &file::Target,
    ) -> Result<TargetKind, ConfigError> {
        let (test, demo) = (written.test == Some(true), written.demo == Some(true));
        match (&written.url, test, demo) {
            (Some(url), false, false) => parse_url(url).ok_or_else(|| {
                let expected = "http://host:port or https://host:port, without a path";
                self.wrong(&["targets", position, "url"], url, expected)
            }),
            (None, true, false) => Ok(TargetKind::Test),
            (None, false, true) => Ok(TargetKind::Demo),
            _ => Err(self.missing(
                &["targets", position],
                "exactly one of url = \"http://host:port\", test = true, demo = true",
            )),
        }
    }
}

/// Reads `http://host:port`; the port may be left out, and a path of `/` may stand.
fn parse_url(url: &str) -> Option<TargetKind> {
    let uri: Uri = url.parse().ok()?;
    let tls = match uri.scheme_str()? {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    let authority = uri.authority()?;
    let has_port = authority.as_str().len() > authority.host().len();
    let port = match authority.port_u16() {
        Some(port) => port,
        None if has_port => return None,
        None if tls => 443,
        None => 80,
    };
    let host = authority.host();
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
    (bare && port > 0 && !host.is_empty() && !authority.as_str().contains('@')).then(|| {
        TargetKind::Http {
            host: host.to_owned(),
            port,
            tls,
        }
    })
}
