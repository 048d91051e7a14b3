//! The second stage of a route's targets: from `{ url = "http://host:port" }` to [`Target`].
//!
//! It opens no connection and resolves no name.

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
        let mut target = Target::new(self.target_kind(position, &written)?);
        target.host = self.host_header(&at("host"), written.host.as_deref())?;
        target.is_untrusted = written.untrusted.unwrap_or(false);
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
        &mut self,
        position: &str,
        written: &file::Target,
    ) -> Result<TargetKind, ConfigError> {
        let (test, demo) = (written.test == Some(true), written.demo == Some(true));
        if let Some(backend) = self.zhttpreq(position, written)? {
            return Ok(TargetKind::from(backend));
        }
        match (&written.url, test, demo) {
            (Some(url), false, false) => self.server(position, url, written).map(TargetKind::from),
            (None, true, false) => Ok(TargetKind::Test),
            (None, false, true) => Ok(TargetKind::Demo),
            _ => Err(self.missing(
                &["targets", position],
                "exactly one of url = \"http://host:port\", zhttpreq = \"tcp://host:port\", \
                 test = true, demo = true",
            )),
        }
    }
}
