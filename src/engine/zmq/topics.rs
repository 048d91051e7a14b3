//! What a subscriber has asked for: topics, each the beginning of what it wants.

use std::collections::BTreeMap;

use bytes::Bytes;

/// Topics of one subscriber.
const TOPICS_MAX: usize = 1_000;

/// Longest topic, in bytes.
const TOPIC_BYTES_MAX: usize = 1_000;

/// Says why a subscription does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// It is none.
    #[error("expected one frame: 1 or 0, and a topic")]
    Malformed,
    /// Past the bounds.
    #[error("expected at most 1000 topics of at most 1000 bytes")]
    TooMany,
}

/// The topics of a subscriber; one that was asked for twice is to be ended twice.
#[derive(Debug, Default)]
pub struct Topics(BTreeMap<Bytes, u32>);

impl Topics {
    /// Takes a message of the subscriber.
    ///
    /// **Errors**: it is no subscription, or too many.
    pub fn on_message(&mut self, frames: &[Bytes]) -> Result<(), TopicError> {
        let [frame] = frames else {
            return Err(TopicError::Malformed);
        };
        match frame.first() {
            Some(1) => self.add(frame.slice(1..)),
            Some(0) => {
                self.remove(&frame.slice(1..));
                Ok(())
            }
            _ => Err(TopicError::Malformed),
        }
    }

    fn add(&mut self, topic: Bytes) -> Result<(), TopicError> {
        if topic.len() > TOPIC_BYTES_MAX {
            return Err(TopicError::TooMany);
        }
        if let Some(times) = self.0.get_mut(&topic) {
            *times = times.saturating_add(1);
            return Ok(());
        }
        if self.0.len() >= TOPICS_MAX {
            return Err(TopicError::TooMany);
        }
        self.0.insert(topic, 1);
        Ok(())
    }

    fn remove(&mut self, topic: &Bytes) {
        if let Some(times) = self.0.get_mut(topic) {
            *times -= 1;
            if *times == 0 {
                self.0.remove(topic);
            }
        }
    }

    /// Tells whether a message is wanted.
    pub fn want(&self, message: &[u8]) -> bool {
        self.0.keys().any(|topic| message.starts_with(topic))
    }

    /// Tells whether any message that begins so may be wanted.
    pub fn may_want(&self, beginning: &[u8]) -> bool {
        let mut topics = self.0.keys();
        topics.any(|topic| beginning.starts_with(topic) || topic.starts_with(beginning))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topics: &mut Topics, bytes: &[u8]) -> Result<(), TopicError> {
        topics.on_message(&[Bytes::copy_from_slice(bytes)])
    }

    #[test]
    fn topics_are_beginnings_and_are_ended_as_often_as_asked_for() {
        let mut topics = Topics::default();
        assert!(!topics.want(b"sub x") && !topics.may_want(b"sub "));
        message(&mut topics, b"\x01sub T").unwrap();
        message(&mut topics, b"\x01sub T").unwrap();
        assert!(topics.want(b"sub Tx") && !topics.want(b"sub J") && !topics.want(b"su"));
        assert!(topics.may_want(b"sub ") && !topics.may_want(b"conn "));
        message(&mut topics, b"\x00sub T").unwrap();
        assert!(topics.want(b"sub Tx"));
        message(&mut topics, b"\x00sub T").unwrap();
        message(&mut topics, b"\x00never").unwrap();
        assert!(!topics.want(b"sub Tx"));
        message(&mut topics, b"\x01").unwrap();
        assert!(topics.want(b"anything") && topics.may_want(b"conn "));
    }

    #[test]
    fn they_are_bounded_and_what_is_none_is_told() {
        let mut topics = Topics::default();
        for n in 0..TOPICS_MAX {
            message(&mut topics, format!("\x01{n}").as_bytes()).unwrap();
        }
        assert_eq!(message(&mut topics, b"\x01x"), Err(TopicError::TooMany));
        let long = [&[1], &[b'x'; TOPIC_BYTES_MAX + 1][..]].concat();
        assert_eq!(message(&mut topics, &long), Err(TopicError::TooMany));
        for bytes in [&b""[..], b"\x02x", b"x"] {
            assert_eq!(message(&mut topics, bytes), Err(TopicError::Malformed));
        }
        assert_eq!(topics.on_message(&[]), Err(TopicError::Malformed));
    }
}
