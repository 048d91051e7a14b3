//! What publishers, channels, filters and the clock do.

use super::*;

impl World {
    pub(super) fn acknowledge(&mut self) {
        if !self.has_begun {
            // What stands in the answer to the handshake comes at once.
            for _ in 0..self.rng.u32(..4) {
                if !self.is_direct {
                    let (text, said) = self.saying();
                    let ends = matches!(said, Said::Close(_) | Said::Disconnect);
                    self.has_disconnected |= matches!(said, Said::Disconnect);
                    self.backend_says(&text, said);
                    if ends {
                        break;
                    }
                }
            }
            self.has_begun = true;
            self.held.push_back(Said::AnswerEnded);
            self.act("begin");
        } else if self.is_awaiting {
            let is_good = self.rng.u8(..20) > 0;
            self.act(if is_good {
                "subscribed"
            } else {
                "unsubscribed"
            });
        }
    }

    pub(super) fn publish(&mut self) {
        if !self.has_begun || self.heard.is_deaf {
            return;
        }
        let number = self.number();
        let channel = ["own", "a", "b"][self.rng.usize(..3)];
        // Behind an item that waits it would be counted with the items.
        if self.rng.u8(..10) == 0 && self.run.session.in_hand() == 0 {
            self.act(&format!("item {channel} i{number} / refresh"));
            return;
        }
        self.items.entered += usize::from(self.is_open());
        self.act(&format!("item {channel} i{number}"));
    }

    pub(super) fn publish_close(&mut self) {
        if !self.has_begun || self.heard.is_deaf || self.run.session.in_hand() > 0 {
            return;
        }
        let code = self.rng.u16(4_000..4_100);
        let is_open = self.is_open();
        let lines = self.act(&format!("item own / close {code}"));
        let told = format!("client close {code}");
        assert_eq!(lines.contains(&told), is_open);
    }

    pub(super) fn answer_filter(&mut self) {
        if self.items.is_asked {
            self.items.is_asked = false;
            let answer = ["200", "drop", "500"][self.rng.usize(..3)];
            self.act(&format!("filtered {answer}"));
        }
    }

    pub(super) fn be_slow(&mut self) {
        self.is_slow = !self.is_slow;
        self.act(if self.is_slow { "slow" } else { "fast" });
    }

    pub(super) fn time_passes(&mut self) {
        let Some(due) = self.run.session.deadline() else {
            return;
        };
        assert!(due >= self.run.now, "what is due is done");
        self.run.jitter = MS * self.rng.u32(..1_000);
        if self.rng.bool() {
            self.run.now += (due - self.run.now) / 2;
            return;
        }
        self.run.now = due;
        let last_sent = self.run.last_sent;
        self.apply("timer", |run| run.session.on_timer(last_sent, run.moment()));
        let due = self.run.session.deadline();
        assert!(
            due.is_none_or(|due| due > self.run.now),
            "it makes progress"
        );
    }
}
