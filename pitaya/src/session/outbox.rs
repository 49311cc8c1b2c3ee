//! The outbox: the packets to one client, in order, for one writer.
//!
//! It holds whole encoded packets and is bounded in bytes and in messages. The kind of packet decides what happens
//! when it is full: replies and pushes of the running call wait for space, any other push is subject to the
//! [`OutboxPolicy`], and heartbeats, kick and close ignore the limits.
//!
//! The limit of messages holds only once the writer has run since the outbox filled and found the socket full. Until
//! then only the limit of bytes holds. So a burst of one handler, which keeps the writer from running, costs no
//! healthy client its connection.
//!
//! Packets that the writer has taken count too, unless the policy is [`OutboxPolicy::Latest`]: newer pushes cannot
//! replace a taken packet, so the limits hold for the waiting packets, and the writer takes few at a time.

use std::cell::Cell;
use std::mem;
use std::sync::{MutexGuard, OnceLock};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};

use super::CloseReason;
use crate::config::OutboxPolicy;
use crate::util::sync::Mutex;

mod batch;
#[cfg(test)]
mod tests;

pub(crate) use batch::{Batch, PushKey};

/// Encoded packets beyond this size are not copied: the outbox takes their buffer.
const SHARE_ABOVE: usize = 16 * 1024;
/// The most that the writer takes at a time if newer pushes could replace the rest.
const TAKE: usize = 64 * 1024;

thread_local! {
    /// The buffer that a packet is encoded into. It is taken out while in use, so that a nested encoding uses its
    /// own.
    static SCRATCH: Cell<Option<BytesMut>> = const { Cell::new(None) };
}

/// The limits of an outbox, and what happens to a push beyond them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutboxLimits {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    pub(crate) policy: OutboxPolicy,
}

impl OutboxLimits {
    /// Whether `more` bytes exceed the limits. An outbox without bytes takes any packet.
    fn exceeded(&self, messages: usize, bytes: usize, more: usize, blocked: bool) -> bool {
        bytes > 0 && (bytes + more > self.bytes || (blocked && messages >= self.messages))
    }
}

/// The reason why a packet was not taken from a sender that may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrySendError {
    /// The outbox is full.
    Full,
    /// The session is closed.
    Closed,
}

/// The reason why a push was not taken from a sender that does not wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PushError {
    /// The outbox is full, and the policy drops the push.
    Dropped,
    /// The outbox is full, and the policy disconnects the client.
    TooSlow,
    /// The session is closed.
    Closed,
    /// The session got another serializer after the push was encoded.
    OtherSerializer,
}

/// The outbox of one session.
#[derive(Debug)]
pub(crate) struct Outbox {
    inner: Mutex<Inner>,
    /// The reason why the session has ended. Set while `inner` is locked, so that it does not change for a holder of
    /// the lock; read without the lock several times for each message.
    closed: OnceLock<CloseReason>,
}

#[derive(Debug, Default)]
struct Inner {
    batch: Batch,
    /// The handshake is not answered yet. Pushes wait, because the reply must be the first packet that a client
    /// receives.
    held: bool,
    /// The session has a serializer of its own. A push in the server's serializer was encoded before.
    own_serializer: bool,
    /// Packets that the writer has taken and not yet written.
    writing_packets: usize,
    /// The bytes of these packets.
    writing_bytes: usize,
    /// Whether the writer has run since the outbox filled, and found the socket full.
    blocked: bool,
    heartbeat: bool,
    /// The connection's task.
    writer: Option<Waker>,
    /// The tasks that wait for space.
    waiting: Vec<Waker>,
}

impl Inner {
    /// Whether there is no space for `more` bytes.
    fn is_full(&self, limits: &OutboxLimits, more: usize) -> bool {
        let (mut messages, mut bytes) = (self.batch.len(), self.batch.bytes());
        if limits.policy != OutboxPolicy::Latest {
            messages += self.writing_packets;
            bytes += self.writing_bytes;
        }
        limits.exceeded(messages, bytes, more, self.blocked)
    }

    /// Wakes this task when there may be space, or when the outbox is closed.
    fn wait(&mut self, cx: &Context<'_>) -> Poll<()> {
        if !self.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn wake_writer(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self { inner: Mutex::default(), closed: OnceLock::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    /// Adds a packet that `write` encodes, if there is space.
    ///
    /// `write` contains code of the user. It runs before anything is locked, so that it neither delays other senders
    /// nor meets them. The limit of bytes may be exceeded by the size of one packet.
    #[inline]
    pub(crate) fn encode<E>(
        &self,
        limits: &OutboxLimits,
        write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<Result<(), E>, TrySendError> {
        let mut scratch = SCRATCH.take().unwrap_or_default();
        scratch.clear();
        let done = match write(&mut scratch) {
            Ok(()) => self.try_send_encoded(limits, &mut scratch).map(Ok),
            Err(error) => Ok(Err(error)),
        };
        if scratch.capacity() <= batch::SPARE_LIMIT {
            SCRATCH.set(Some(scratch));
        }
        done
    }

    /// Adds a packet that may not be dropped; a large one with its buffer.
    fn try_send_encoded(&self, limits: &OutboxLimits, packet: &mut BytesMut) -> Result<(), TrySendError> {
        let mut inner = self.try_reserve(limits, 1)?;
        if packet.len() > SHARE_ABOVE {
            inner.batch.push(packet.split().freeze(), None);
        } else {
            inner.batch.push_copy(packet, None);
        }
        inner.wake_writer();
        Ok(())
    }

    /// Adds a push if there is space. `own_serializer` tells whether it is in the session's own serializer. Returns `false` for
    /// a push in the server's serializer if the session has another one by now: it was not added.
    pub(crate) fn try_send(
        &self,
        limits: &OutboxLimits,
        packet: &Bytes,
        key: PushKey,
        own_serializer: bool,
    ) -> Result<bool, TrySendError> {
        let mut inner = self.try_reserve(limits, packet.len())?;
        if inner.own_serializer && !own_serializer {
            return Ok(false);
        }
        inner.batch.push(packet.clone(), Some(key));
        inner.wake_writer();
        Ok(true)
    }

    /// Locks the outbox if it is open and has space for `more` bytes.
    #[inline]
    fn try_reserve(&self, limits: &OutboxLimits, more: usize) -> Result<MutexGuard<'_, Inner>, TrySendError> {
        let mut inner = self.lock();
        if self.is_closed() {
            return Err(TrySendError::Closed);
        }
        if inner.is_full(limits, more) {
            return Err(TrySendError::Full);
        }
        inner.batch.borrow_buffers();
        Ok(inner)
    }

    /// Adds a push, or applies the policy. Never waits. Returns how many older pushes were dropped for it.
    pub(crate) fn push(
        &self,
        limits: &OutboxLimits,
        packet: &Bytes,
        key: PushKey,
        own_serializer: bool,
    ) -> Result<u32, PushError> {
        match self.try_send(limits, packet, key, own_serializer) {
            Ok(true) => Ok(0),
            Ok(false) => Err(PushError::OtherSerializer),
            Err(TrySendError::Closed) => Err(PushError::Closed),
            Err(TrySendError::Full) => match limits.policy {
                OutboxPolicy::Disconnect => Err(PushError::TooSlow),
                OutboxPolicy::Drop => Err(PushError::Dropped),
                OutboxPolicy::Latest => self.replace(limits, packet, key, own_serializer),
            },
        }
    }

    /// Adds a push in place of older ones.
    fn replace(
        &self,
        limits: &OutboxLimits,
        packet: &Bytes,
        key: PushKey,
        own_serializer: bool,
    ) -> Result<u32, PushError> {
        let mut inner = self.lock();
        if self.is_closed() {
            return Err(PushError::Closed);
        }
        if inner.own_serializer && !own_serializer {
            return Err(PushError::OtherSerializer);
        }
        // If the push does not fit beside the packets that must stay, nothing is dropped for it.
        let (messages, bytes) = inner.batch.permanent();
        if limits.exceeded(messages, bytes, packet.len(), inner.blocked) {
            return Err(PushError::Dropped);
        }
        let mut dropped = 0;
        while inner.is_full(limits, packet.len()) && inner.batch.drop_push(key) {
            dropped += 1;
        }
        inner.batch.push(packet.clone(), Some(key));
        inner.wake_writer();
        Ok(dropped)
    }

    /// Is ready when there may be space for `more` bytes, or when the outbox is closed.
    pub(crate) fn poll_capacity(&self, cx: &mut Context<'_>, limits: &OutboxLimits, more: usize) -> Poll<()> {
        let mut inner = self.lock();
        if self.is_closed() || !inner.is_full(limits, more) {
            return Poll::Ready(());
        }
        inner.wait(cx)
    }

    /// Is ready when the outbox is closed.
    pub(crate) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        if self.is_closed() {
            return Poll::Ready(());
        }
        inner.wait(cx)
    }

    /// Holds all packets back until the handshake is answered.
    pub(crate) fn hold(&self) {
        self.lock().held = true;
    }

    /// Gives the session a serializer of its own by `set`, which returns whether it did. Drops the packets that wait for the
    /// handshake, and from then on each push in the server's serializer. Returns how many packets were dropped.
    pub(crate) fn choose_serializer(&self, set: impl FnOnce() -> bool) -> usize {
        let mut inner = self.lock();
        if !set() {
            return 0;
        }
        inner.own_serializer = true;
        if inner.held { mem::take(&mut inner.batch).len() } else { 0 }
    }

    /// Inserts the reply that accepts the handshake before the held packets, and releases them all.
    pub(crate) fn accept_handshake(&self, reply: &Bytes) {
        let mut inner = self.lock();
        if !self.is_closed() {
            inner.held = false;
            inner.batch.push_first(reply.clone());
            inner.wake_writer();
        }
    }

    /// Replaces the held packets by the reply that refuses the handshake, and closes.
    pub(crate) fn refuse_handshake(&self, reply: &Bytes, reason: CloseReason) -> Option<usize> {
        let discarded = self.close(reason, None)?;
        self.lock().batch.push_first(reply.clone());
        Some(discarded)
    }

    /// Adds a heartbeat, unless one is waiting already.
    pub(crate) fn send_heartbeat(&self, packet: &Bytes) {
        let mut inner = self.lock();
        if !self.is_closed() && !inner.heartbeat {
            inner.heartbeat = true;
            inner.batch.push(packet.clone(), None);
        }
    }

    /// Closes permanently, with an optional last packet. Waiting packets stay for the writer to flush, unless they
    /// wait for a handshake. Returns how many packets were dropped; `None` if it was closed already.
    pub(crate) fn close(&self, reason: CloseReason, last: Option<&Bytes>) -> Option<usize> {
        let mut discarded = 0;
        let waiting = {
            let mut inner = self.lock();
            if self.is_closed() {
                return None;
            }
            if mem::take(&mut inner.held) {
                // A client whose handshake is not answered would not understand anything else.
                discarded = mem::take(&mut inner.batch).len();
            } else if let Some(last) = last {
                inner.batch.push(last.clone(), None);
            }
            // It is open: this holds the lock, and has asked.
            let _ = self.closed.set(reason);
            inner.wake_writer();
            mem::take(&mut inner.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
        Some(discarded)
    }

    fn is_closed(&self) -> bool {
        self.closed.get().is_some()
    }

    /// Returns why it is closed; `None` while it is open. Takes no lock.
    pub(crate) fn close_reason(&self) -> Option<CloseReason> {
        self.closed.get().copied()
    }

    /// Takes the packets to write: all, or a part if newer pushes can replace the waiting ones. The writer is at work
    /// from then on, so that senders need not wake it until it parks.
    pub(crate) fn take(&self, limits: &OutboxLimits) -> (Option<Batch>, Option<CloseReason>) {
        let mut inner = self.lock();
        inner.writer = None;
        if inner.held || inner.batch.is_empty() {
            return (None, self.close_reason());
        }
        let batch = if limits.policy == OutboxPolicy::Latest && inner.batch.bytes() > TAKE {
            inner.batch.split(TAKE)
        } else {
            mem::take(&mut inner.batch)
        };
        (inner.writing_packets, inner.writing_bytes) = (batch.len(), batch.bytes());
        inner.heartbeat = false;
        (Some(batch), self.close_reason())
    }

    /// Parks the writer until there is something to write. Returns `false`, and does not park it, if there is
    /// already.
    pub(crate) fn park(&self, cx: &Context<'_>, writing: bool, closing: bool) -> bool {
        let mut inner = self.lock();
        if (!writing && !inner.held && !inner.batch.is_empty()) || (!closing && self.is_closed()) {
            return false;
        }
        inner.writer = Some(cx.waker().clone());
        true
    }

    /// Accounts for what the writer has written; `blocked` if the socket took no more. Returns whether more packets
    /// wait for the writer.
    pub(crate) fn record_write(
        &self,
        limits: &OutboxLimits,
        packets: usize,
        bytes: usize,
        blocked: bool,
    ) -> bool {
        let (more, waiting) = {
            let mut inner = self.lock();
            inner.writing_packets -= packets.min(inner.writing_packets);
            inner.writing_bytes -= bytes.min(inner.writing_bytes);
            inner.blocked = blocked && inner.writing_packets + inner.batch.len() >= limits.messages;
            let more = !inner.held && !inner.batch.is_empty();
            if inner.waiting.is_empty() || inner.is_full(limits, 1) {
                return more;
            }
            (more, mem::take(&mut inner.waiting))
        };
        // The woken senders run after this; the writer parks only if the outbox is empty then.
        waiting.into_iter().for_each(Waker::wake);
        more
    }

    /// Packets and bytes that wait.
    pub(crate) fn depth(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.writing_packets + inner.batch.len(), inner.writing_bytes + inner.batch.bytes())
    }
}
