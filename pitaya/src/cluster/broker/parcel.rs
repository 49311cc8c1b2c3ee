//! Messages in the hands of somebody who decides when, whether and how often they arrive.

use std::sync::Arc;

use super::hub::{Goal, Letter, MemoryBroker, What};
use crate::cluster::answering::Kind;

/// What stands between the servers of a broker: it is given every message.
pub(crate) trait Courier: Send + Sync {
    /// A message begins its way. It does not wait. [`Parcel::arrive`] may be called at once, from in here; nothing else
    /// of the broker, whose list of places may be locked meanwhile, for that two messages cannot overtake each other.
    fn take(&self, parcel: Parcel);
}

/// One message on its way from one server to one other.
#[derive(Clone)]
pub(crate) struct Parcel {
    pub(super) broker: MemoryBroker,
    pub(super) subject: Arc<str>,
    pub(super) letter: Letter,
    pub(super) goal: Goal,
}

impl Parcel {
    pub(crate) fn from(&self) -> &Arc<str> {
        &self.letter.from
    }

    pub(crate) fn to(&self) -> &Arc<str> {
        &self.letter.to
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.letter.body
    }

    pub(crate) fn what(&self) -> &'static str {
        match self.letter.what {
            What::Request(_) => "request",
            What::Answer => "answer",
            What::Message(Kind::Push) => "push",
            What::Message(Kind::Kick) => "kick",
            What::Message(Kind::Bound) => "bind",
            What::Message(Kind::Broadcast) => "broadcast",
        }
    }

    /// Whether it is news of a bind.
    pub(crate) fn is_bind(&self) -> bool {
        matches!(self.letter.what, What::Message(Kind::Bound))
    }

    /// To what it was published, which has an order; none if it is a request or an answer.
    pub(crate) fn address(&self) -> Option<&Arc<str>> {
        matches!(self.letter.what, What::Message(_)).then_some(&self.subject)
    }

    /// Ends its way; gives whether somebody was there to take it in. It never waits, takes no lock of the broker but that
    /// of who is cut off, and runs nothing of a server's: that is for the tasks which it wakes.
    pub(crate) fn arrive(self) -> bool {
        let Self { broker, letter, goal, .. } = self;
        broker.reaches(&letter.to) && broker.arrive(letter, &goal)
    }
}
