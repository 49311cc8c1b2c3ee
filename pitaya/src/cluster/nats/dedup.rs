//! While one connection takes the place of another, both take in the same: each message is to be handed over once.
//!
//! A queue group of the two would be simpler, but the brokers of a cluster lose what they send each other for a member
//! that has just left, and mix up the order.

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
    /// The one that was there before.
    Old,
    /// The one that takes its place.
    New,
}

/// How many times more each message came over the one than over the other.
///
/// A request is known by its reply subject, which no other has. A message without one is known by its bytes. Those of
/// our servers to frontends that keep the order have a place in them, which no other message has, and news of a bind have
/// its time: for them this is exact. A server of the original may send the same bytes twice. If the first of two such
/// messages comes only over the connection that leaves, and the second only over the one that comes, the second is
/// lost; never does a message arrive twice, as is promised.
#[derive(Debug, Default)]
pub(super) struct Dedup {
    /// Of what comes from strangers only the hash is kept: its size is not ours to choose.
    hasher: RandomState,
    ahead: Mutex<HashMap<u64, i64>>,
}

impl Dedup {
    /// Whether this is the first of the two that come.
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

/// Whether a connection is one of two at the moment.
#[derive(Debug, Default)]
pub(super) struct DedupSlot {
    /// Asked for each message; the rest only while it holds.
    on: AtomicBool,
    of: Mutex<Option<(Arc<Dedup>, Side)>>,
}

impl DedupSlot {
    /// What comes from now on may come over the other one too, or no longer.
    pub(super) fn set(&self, of: Option<(Arc<Dedup>, Side)>) {
        let on = of.is_some();
        *self.of.lock() = of;
        self.on.store(on, Ordering::Release);
    }

    /// Whether a message has come over the other one already.
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

    /// Two pushes of the same text: the first comes over the connection that leaves, the second over the other one.
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
        /// One connection has a beginning of what was sent, the other an end; they overlap. In whichever order the two
        /// are taken in, each message is handed over once, also if some are the same.
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
                // at most once each; and at least what only one of both had, or one of both for all
                prop_assert!(got <= times(&sent));
                prop_assert_eq!(got, times(&sent[..to]).max(times(&sent[from..])));
            }
        }
    }
}
