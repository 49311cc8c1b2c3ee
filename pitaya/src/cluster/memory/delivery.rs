//! The messages of the broker, and their delivery into queues.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::cluster::receive::MessageKind;
use crate::util::sync::Mutex;

/// The queue of one subscription of a transport.
#[derive(Clone)]
pub(super) struct Queue {
    pub(super) server: Arc<str>,
    pub(super) items: mpsc::Sender<QueueItem>,
}

/// An item of a queue.
pub(super) enum QueueItem {
    Envelope(Envelope),
    /// Answered when all earlier items have been handled.
    Mark(oneshot::Sender<()>),
    /// The broker is reachable again.
    Reconnected,
}

/// One message from one server to another.
#[derive(Clone)]
pub(super) struct Envelope {
    pub(super) from: Arc<str>,
    pub(super) to: Arc<str>,
    pub(super) kind: EnvelopeKind,
    pub(super) body: Bytes,
}

#[derive(Clone)]
pub(super) enum EnvelopeKind {
    Request(ReplySender),
    Answer,
    Message(MessageKind),
}

/// The sender of the reply to a request. Only the first reply counts.
#[derive(Clone)]
pub(super) struct ReplySender(Arc<Mutex<Option<oneshot::Sender<Bytes>>>>);

impl ReplySender {
    pub(super) fn new() -> (Self, oneshot::Receiver<Bytes>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Arc::new(Mutex::new(Some(sender)))), receiver)
    }

    pub(super) fn answer(&self, body: Bytes) {
        let sender = self.0.lock().take();
        if let Some(sender) = sender {
            // The caller may have stopped waiting.
            let _ = sender.send(body);
        }
    }
}

/// The destination of an envelope.
#[derive(Clone)]
pub(super) enum Destination {
    Queue(Queue),
    ReplySender(ReplySender),
}

/// Delivers envelopes to reachable servers.
#[derive(Default)]
pub(super) struct Delivery {
    /// Ids of unreachable servers. No other lock is taken while this one is held.
    cut_off: Mutex<BTreeSet<Arc<str>>>,
    dropped: AtomicU64,
}

impl Delivery {
    /// Returns how many messages were dropped because a queue was full.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Sets whether a server is reachable. Returns whether that changed.
    pub(super) fn set_reachable(&self, server_id: &str, reachable: bool) -> bool {
        let mut cut_off = self.cut_off.lock();
        if reachable { cut_off.remove(server_id) } else { cut_off.insert(server_id.into()) }
    }

    pub(super) fn reaches(&self, server_id: &str) -> bool {
        !self.cut_off.lock().contains(server_id)
    }

    /// Puts an envelope into its queue, or answers its caller. Returns whether there was room.
    pub(super) fn deliver(&self, envelope: Envelope, destination: &Destination) -> bool {
        match destination {
            Destination::ReplySender(caller) => {
                caller.answer(envelope.body);
                true
            }
            Destination::Queue(queue) => {
                let taken = queue.items.try_send(QueueItem::Envelope(envelope)).is_ok();
                if !taken {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
                taken
            }
        }
    }
}
