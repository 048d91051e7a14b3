//! What a backend's control messages do to its session.
//!
//! Source: `docs/websockets.md#control-messages`.

use super::{subscriptions::Added, Moment, Note, Output, WebSocket};
use crate::{
    engine::session::Published,
    grip::{
        channel::ChannelName,
        ws::control::{self, Control, FILTERS_MAX},
    },
};

impl<E: Published> WebSocket<E> {
    /// Follows a control message; a bad one has no effect.
    pub(super) fn on_control(&mut self, text: &[u8], moment: Moment) {
        match control::parse(text) {
            Ok(_) if !self.is_open() => {}
            Ok(order) => self.obey(order, moment),
            Err(error) => self.note(Note::BadControl(error)),
        }
    }

    fn obey(&mut self, order: Control, moment: Moment) {
        match order {
            Control::Subscribe { channel, filters } => self.subscribe(&channel, filters, moment),
            Control::Unsubscribe { channel } => {
                if self.subscriptions.remove(&self.full_name(&channel)) {
                    self.change_channels();
                }
            }
            Control::Detach => self.backend.detach(&mut self.outputs),
            // There is no service that keeps sessions.
            Control::Session { .. } => {}
            Control::SetMeta { name, value } => {
                if !self.subscriptions.set_meta(name, value) {
                    self.note(Note::MetaRefused);
                }
                self.renew_filters();
            }
            Control::KeepAlive(keep_alive) => self.set_keep_alive(keep_alive, moment),
            Control::SendDelayed {
                message,
                timeout_secs,
            } => self.delay(message, timeout_secs, moment),
            Control::FlushDelayed => self.flush_delayed(),
        }
    }

    fn subscribe(&mut self, channel: &ChannelName, filters: Vec<String>, moment: Moment) {
        if filters.len() > FILTERS_MAX {
            let why = match self.route.debug {
                true => "too many filters, expected at most 5 for a channel",
                false => "",
            };
            return self.close_client_by(1011, why, moment.now);
        }
        let full_name = self.full_name(channel);
        match self.subscriptions.add(full_name, filters) {
            Added::Yes => self.change_channels(),
            Added::TooMany => self.note(Note::ChannelRefused),
        }
    }

    fn full_name(&self, channel: &ChannelName) -> ChannelName {
        channel.prefixed(self.route.prefix.as_deref().unwrap_or_default())
    }

    fn change_channels(&mut self) {
        self.renew_filters();
        if !self.is_opening {
            self.is_awaiting = true;
            let wanted = self.subscriptions.wanted();
            self.outputs.push_back(Output::Subscribe(wanted));
        }
    }
}
