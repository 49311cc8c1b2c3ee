//! Removes duplicates while one connection replaces another and both receive the same messages.
//!
//! A queue group of the two would be simpler, but the brokers of a cluster lose messages in flight to a member that has
//! just left, and reorder them.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_nats::Message;

use crate::util::sync::Mutex;

/// Which of the two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The connection that leaves.
    Old,
    /// The connection that replaces it.
    New,
}

/// How often each message arrived over one connection more than over the other.
///
/// A request is identified by its unique reply subject, any other message by its bytes. Messages of this library's
/// servers to frontends that keep the order contain a unique place, and announcements of binds contain their time, so
/// for them this is exact. A Go Pitaya server may send the same bytes twice. If the first of two equal messages arrives
/// only over the old connection, and the second only over the new one, the second is lost. A message never arrives
/// twice.
#[derive(Debug, Default)]
pub(super) struct Dedup {
    /// Only hashes are kept, because the size of foreign messages is unbounded.
    hasher: RandomState,
    ahead: Mutex<HashMap<u64, i64>>,
}

impl Dedup {
    /// Whether this is the first copy of a message.
    fn is_first(&self, side: Side, message: &Message) -> bool {
        let Message { subject, reply, payload, .. } = message;
        self.count(
            side,
            match reply {
                Some(reply) => self.hasher.hash_one((subject.as_str(), reply.as_str())),
                None => self.hasher.hash_one((subject.as_str(), payload)),
            },
        )
    }

    fn count(&self, side: Side, key: u64) -> bool {
        let mut ahead = self.ahead.lock();
        let ahead = ahead.entry(key).or_default();
        match side {
            Side::Old => {
                *ahead += 1;
                *ahead > 0
            }
            Side::New => {
                *ahead -= 1;
                *ahead < 0
            }
        }
    }
}

/// The deduplicator of a connection, while it is one of two.
#[derive(Debug, Default)]
pub(super) struct DedupSlot {
    /// Read for each message. The mutex is locked only while it is set.
    on: AtomicBool,
    of: Mutex<Option<(Arc<Dedup>, Side)>>,
}

impl DedupSlot {
    /// Sets or removes the deduplicator for messages from now on.
    pub(super) fn set(&self, of: Option<(Arc<Dedup>, Side)>) {
        let on = of.is_some();
        *self.of.lock() = of;
        self.on.store(on, Ordering::Release);
    }

    /// Whether the message has arrived over the other connection already.
    pub(super) fn is_duplicate(&self, message: &Message) -> bool {
        if !self.on.load(Ordering::Acquire) {
            return false;
        }
        let of = self.of.lock().clone();
        of.is_some_and(|(dedup, side)| !dedup.is_first(side, message))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::cluster::protos::{OrderedBroadcast, Place, Push};

    #[test]
    fn a_connection_that_is_alone_hands_over_everything() {
        let message = Message {
            subject: "a".into(),
            reply: None,
            payload: "x".into(),
            headers: None,
            status: None,
            description: None,
            length: 2,
        };
        let slot = DedupSlot::default();
        assert!(!slot.is_duplicate(&message) && !slot.is_duplicate(&message));
        let dedup = Arc::new(Dedup::default());
        slot.set(Some((Arc::clone(&dedup), Side::Old)));
        let other = DedupSlot::default();
        other.set(Some((dedup, Side::New)));
        assert!(!slot.is_duplicate(&message) && !slot.is_duplicate(&message));
        assert!(
            other.is_duplicate(&message) && other.is_duplicate(&message) && !other.is_duplicate(&message)
        );
        slot.set(None);
        assert!(!slot.is_duplicate(&message));
    }

    fn push(payload: Vec<u8>) -> Message {
        let length = payload.len();
        let payload = payload.into();
        Message {
            subject: "a".into(),
            reply: None,
            payload,
            headers: None,
            status: None,
            description: None,
            length,
        }
    }

    /// Delivers two equal pushes: the first over the old connection, the second over the new one.
    fn handed_over(first: &Message, second: &Message) -> [bool; 2] {
        let dedup = Arc::new(Dedup::default());
        let slot = |side| {
            let slot = DedupSlot::default();
            slot.set(Some((Arc::clone(&dedup), side)));
            slot
        };
        [!slot(Side::Old).is_duplicate(first), !slot(Side::New).is_duplicate(second)]
    }

    #[test]
    fn equal_pushes_of_our_servers_are_both_handed_over() {
        let ours = |number| {
            let place = Some(Place { stream: 7, number });
            push(
                OrderedBroadcast { route: "onTick".into(), place, ..OrderedBroadcast::default() }
                    .encode_to_vec(),
            )
        };
        assert_eq!(handed_over(&ours(1), &ours(2)), [true, true]);
        assert_eq!(handed_over(&ours(1), &ours(1)), [true, false], "one message over both");
        let foreign = || push(Push { route: "onTick".into(), ..Push::default() }.encode_to_vec());
        assert_eq!(handed_over(&foreign(), &foreign()), [true, false], "at most once");
    }

    proptest! {
        /// One connection receives a prefix of the messages, the other a suffix, and they overlap. In any order of
        /// arrival each message is delivered once, even if some are equal.
        #[test]
        fn each_message_is_handed_over_once(
            sent in proptest::collection::vec(0u64..40, 1..60), from: prop::sample::Index, to: prop::sample::Index,
            turns in proptest::collection::vec(any::<bool>(), 120),
        ) {
            let (a, b) = (from.index(sent.len() + 1), to.index(sent.len() + 1));
            let (from, to) = (a.min(b), a.max(b));
            let dedup = Dedup::default();
            let (mut leaving, mut coming) = (sent[..to].iter(), sent[from..].iter());
            let mut handed: HashMap<u64, usize> = HashMap::new();
            for turn in turns.into_iter().chain(std::iter::repeat_n(true, 60)).chain(std::iter::repeat_n(false, 60)) {
                let next = if turn { leaving.next() } else { coming.next() };
                let side = if turn { Side::Old } else { Side::New };
                if let Some(&key) = next && dedup.count(side, key) {
                    *handed.entry(key).or_default() += 1;
                }
            }
            for key in 0..40 {
                let times = |sent: &[u64]| sent.iter().filter(|sent| **sent == key).count();
                let got = handed.get(&key).copied().unwrap_or_default();
                // Each at most once, and at least as often as one connection received it.
                prop_assert!(got <= times(&sent));
                prop_assert_eq!(got, times(&sent[..to]).max(times(&sent[from..])));
            }
        }
    }
}
