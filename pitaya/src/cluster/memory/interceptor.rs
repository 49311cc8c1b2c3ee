//! A hook that decides when, whether and how often each message arrives.

use std::sync::Arc;

use super::delivery::{Delivery, Destination, Envelope, EnvelopeKind};
use crate::cluster::receive::MessageKind;

/// Receives every message between the servers of a broker.
pub(crate) trait Interceptor: Send + Sync {
    /// Handles a message without waiting. It may call [`InTransit::deliver`] immediately, and nothing else of the
    /// broker: the list of subscriptions may be locked, so that two messages cannot overtake each other.
    fn intercept(&self, message: InTransit);
}

/// One message from one server to one other.
#[derive(Clone)]
pub(crate) struct InTransit {
    pub(super) delivery: Arc<Delivery>,
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

    /// Whether it announces a bind.
    pub(crate) fn is_bind(&self) -> bool {
        matches!(self.envelope.kind, EnvelopeKind::Message(MessageKind::Bound))
    }

    /// Returns the subject it was published to, whose messages are ordered. `None` for a request or an answer.
    pub(crate) fn address(&self) -> Option<&Arc<str>> {
        matches!(self.envelope.kind, EnvelopeKind::Message(_)).then_some(&self.subject)
    }

    /// Delivers the message. Returns whether a server received it.
    ///
    /// It never waits, takes only the broker's lock of unreachable servers, and runs no code of a server: tasks that it
    /// wakes do.
    pub(crate) fn deliver(self) -> bool {
        let Self { delivery, envelope, destination, .. } = self;
        delivery.reaches(&envelope.to) && delivery.deliver(envelope, &destination)
    }
}
