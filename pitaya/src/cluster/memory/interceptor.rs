//! Messages in the hands of somebody who decides when, whether and how often they arrive.

use std::sync::Arc;

use super::broker::{Destination, Envelope, EnvelopeKind, MemoryBroker};
use crate::cluster::receive::MessageKind;

/// What stands between the servers of a broker: it is given every message.
pub(crate) trait Interceptor: Send + Sync {
    /// A message begins its way. It does not wait. [`InTransit::deliver`] may be called at once, from in here; nothing else
    /// of the broker, whose list of subscriptions may be locked meanwhile, for that two messages cannot overtake each other.
    fn intercept(&self, message: InTransit);
}

/// One message on its way from one server to one other.
#[derive(Clone)]
pub(crate) struct InTransit {
    pub(super) broker: MemoryBroker,
    pub(super) subject: Arc<str>,
    pub(super) envelope: Envelope,
    pub(super) destination: Destination,
}

impl InTransit {
    pub(crate) fn from(&self) -> &Arc<str> {
        &self.envelope.from
    }

    pub(crate) fn to(&self) -> &Arc<str> {
        &self.envelope.to
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.envelope.body
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self.envelope.kind {
            EnvelopeKind::Request(_) => "request",
            EnvelopeKind::Answer => "answer",
            EnvelopeKind::Message(MessageKind::Push) => "push",
            EnvelopeKind::Message(MessageKind::Kick) => "kick",
            EnvelopeKind::Message(MessageKind::Bound) => "bind",
            EnvelopeKind::Message(MessageKind::Broadcast) => "broadcast",
        }
    }

    /// Whether it is news of a bind.
    pub(crate) fn is_bind(&self) -> bool {
        matches!(self.envelope.kind, EnvelopeKind::Message(MessageKind::Bound))
    }

    /// To what it was published, which has an order; none if it is a request or an answer.
    pub(crate) fn address(&self) -> Option<&Arc<str>> {
        matches!(self.envelope.kind, EnvelopeKind::Message(_)).then_some(&self.subject)
    }

    /// Ends its way; gives whether somebody was there to take it in. It never waits, takes no lock of the broker but that
    /// of who is cut off, and runs nothing of a server's: that is for the tasks which it wakes.
    pub(crate) fn deliver(self) -> bool {
        let Self { broker, envelope, destination, .. } = self;
        broker.reaches(&envelope.to) && broker.deliver(envelope, &destination)
    }
}
