//! The destination of a handler's reply.

use std::sync::Arc;

use bytes::Bytes;

use crate::util::sync::Mutex;

/// The destination of a handler's reply.
pub(crate) enum ReplySink {
    /// The outbox of the session, for the request with this id.
    Outbox(u64),
    /// The frontend that called this backend.
    Caller(ReplySlot),
    /// None: a notify has no reply.
    None,
}

impl ReplySink {
    /// Returns the sink for a message of a client; 0 is the id of a notify.
    #[inline]
    pub(crate) fn outbox(mid: u64) -> Self {
        if mid == 0 { Self::None } else { Self::Outbox(mid) }
    }

    /// Returns whether a caller waits for the reply.
    pub(crate) fn is_awaited(&self) -> bool {
        !matches!(self, Self::None)
    }
}

/// Keeps the reply of a handler until its call has ended. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct ReplySlot(Arc<Mutex<Bytes>>);

impl ReplySlot {
    pub(super) fn put(&self, reply: Bytes) {
        *self.0.lock() = reply;
    }

    /// Takes the reply. It is empty if the handler sent none.
    pub(crate) fn take(&self) -> Bytes {
        std::mem::take(&mut *self.0.lock())
    }
}
