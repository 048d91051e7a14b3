//! What must hold: of each output, of all that one step led to, and of the machine behind it.

use super::*;

impl World {
    pub(super) fn check(&mut self, output: &Output<Item>, lines: &mut Vec<String>) {
        let to_client = matches!(
            output,
            Output::ToClient(_) | Output::Item(..) | Output::KeepAlive(_)
        );
        if to_client {
            assert!(
                self.heard.close_at.is_none() && self.heard.ends == 0,
                "{output:?}"
            );
            self.run.last_sent = self.run.now;
        }
        match output {
            Output::ToClient(ToClient::Part(part)) => return self.hear_part(part, lines),
            Output::ToClient(ToClient::Close(_)) => self.heard.close_at = Some(self.run.now),
            Output::ToClient(ToClient::Ping(content) | ToClient::Pong(content)) => {
                assert!(content.len() <= 125);
            }
            Output::KeepAlive(ToClient::Part(_)) => assert!(self.heard.amid.is_none()),
            Output::KeepAlive(_) | Output::Note(_) => {}
            Output::Item(item, content) => {
                assert!(!self.heard.is_deaf);
                self.count_item(item);
                assert!(content.starts_with(b"i"));
            }
            Output::Skip(item, Skipped::QueueFull) => {
                assert!(item.id.is_some());
                self.items.done += 1;
            }
            Output::Skip(item, _) => self.count_item(item),
            Output::Post(post) => self.backend_gets(post),
            Output::ToBackend(said) => {
                assert!(self.pipe.ends == 0 && self.pipe.closes == 0, "{said:?}");
                self.pipe.closes += u32::from(matches!(said, ToBackend::Close(_)));
            }
            Output::EndBackend => self.pipe.ends += 1,
            Output::Subscribe(_) => {
                assert!(self.has_begun && !self.is_awaiting, "one change at a time");
                self.is_awaiting = true;
            }
            Output::Ask(_) => {
                assert!(!std::mem::replace(&mut self.items.is_asked, true));
            }
            Output::Deafen => assert!(!std::mem::replace(&mut self.heard.is_deaf, true)),
            Output::Finish | Output::Cut => self.heard.ends += 1,
        }
        lines.push(line(output));
    }

    /// Joins the parts of a message.
    pub(super) fn hear_part(&mut self, part: &Part, lines: &mut Vec<String>) {
        assert_eq!(part.is_first, self.heard.amid.is_none(), "{part:?}");
        let mut message = self.heard.amid.take().unwrap_or_default();
        message += &shown(&part.content);
        if !part.is_last {
            self.heard.amid = Some(message);
        } else {
            self.delayed -= u32::from(message.starts_with('d'));
            lines.push(format!("client {message}"));
        }
    }

    pub(super) fn count_item(&mut self, item: &Item) {
        let number = item.id.as_ref().expect("items have ids").to_string();
        let number = number[1..].parse().expect("a number");
        assert!(number > self.items.last, "items come in order");
        self.items.last = number;
        self.items.done += 1;
    }

    /// What the client got and the channels that were asked for must be what the backend said.
    pub(super) fn explain(&mut self, lines: &[String], mut is_told: bool, mut is_over: bool) {
        let is_backends = |line: &&String| {
            line.starts_with("client b")
                || line.starts_with("client ping b")
                || line.starts_with("client close 3")
                || line.starts_with("subscribe")
        };
        let mut lines = lines.iter().filter(is_backends);
        while let Some(said) = self.held.pop_front() {
            let is_open = !is_told && !is_over && !self.has_client_closed;
            match said {
                Said::AnswerEnded => self.is_silent |= self.is_left,
                _ if is_over || self.is_silent => {}
                Said::Aside => {}
                Said::Message(_) if is_told => {}
                Said::Message(message) => {
                    assert_eq!(lines.next(), Some(&message));
                }
                Said::Detach => {
                    self.is_left |= is_open;
                    self.is_silent |= is_open && self.is_direct;
                }
                Said::Subscribe(_) | Said::Unsubscribe(_) if !is_open => {}
                Said::Subscribe(_) | Said::Unsubscribe(_) => {
                    let has_changed = match said {
                        Said::Unsubscribe(channel) => self.channels.remove(channel),
                        Said::Subscribe(channel) => {
                            self.channels.insert(channel);
                            true
                        }
                        _ => false,
                    };
                    if has_changed && self.has_begun {
                        assert_eq!(lines.next().map(|line| &line[..9]), Some("subscribe"));
                        break;
                    }
                }
                Said::Close(code) => {
                    if !is_told {
                        assert_eq!(lines.next(), Some(&format!("client close {code}")));
                    }
                    is_told = true;
                    is_over |= self.has_client_closed;
                }
                Said::Fault => {
                    is_told = true;
                    is_over |= self.has_client_closed;
                    self.is_silent |= self.is_direct;
                }
                Said::Disconnect => is_over = true,
            }
        }
        assert_eq!(lines.next(), None, "nobody said that");
        assert!(self.held.is_empty() || self.is_awaiting);
    }

    pub(super) fn check_state(&mut self) {
        let session = &self.run.session;
        assert!(self.heard.ends <= 1);
        if self.heard.ends == 1 {
            assert!(session.is_over());
        }
        if session.is_over() {
            self.is_silent = true;
            return;
        }
        if let Some(at) = self.heard.close_at {
            let due = session
                .deadline()
                .expect("a close is not waited for without end");
            assert!(due <= at + CLOSE_MAX);
        }
        if self.is_open() {
            let items = &self.items;
            assert_eq!(items.entered, items.done + session.in_hand());
            assert!(items.is_asked || session.in_hand() == 0);
        }
        if self.is_direct {
            return;
        }
        let requests = &self.requests;
        let is_idle = requests.under_way.is_none() && requests.repeat.is_none();
        if is_idle && self.is_open() && self.has_begun && !self.is_awaiting && !self.is_slow {
            let is_all_offered = requests.sent.len() == requests.offered;
            assert!(is_all_offered || self.is_left, "{:?}", requests.sent);
        }
    }
}
