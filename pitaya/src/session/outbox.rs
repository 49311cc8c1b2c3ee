//! The outbox: the packets to one client, in order, for one writer.
//!
//! It holds whole encoded packets and is bounded in bytes and in messages. The kind of packet decides what happens
//! when it is full: replies and pushes of the running call wait for room, any other push is subject to the
//! [`Policy`], and heartbeats, kick and close have reserved places.
//!
//! The bound in messages holds only once the writer has run since the outbox filled and found the socket full. Until
//! then only the bound in bytes holds. So a burst of one handler, which keeps the writer from running, costs no
//! healthy client its connection.
//!
//! Packets that the writer has taken count too, unless the policy is [`Policy::Latest`]: newer pushes cannot replace
//! a taken packet, so the bounds hold for the waiting packets, and the writer takes few at a time.

use std::cell::Cell;
use std::collections::VecDeque;
use std::mem;
use std::sync::{MutexGuard, OnceLock};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};

use super::CloseReason;
use crate::util::sync::Mutex;

/// Shared packets up to this size are copied, because the bookkeeping of sharing one costs more.
const COPY_BELOW: usize = 256;
/// Encoded packets beyond this size are not copied: the outbox takes their buffer.
const SHARE_ABOVE: usize = 16 * 1024;
/// The most memory that an emptied buffer may keep for the next session of its thread.
const SPARE_LIMIT: usize = 256 * 1024;
/// The most that the writer takes at a time if newer pushes could replace the rest.
const TAKE: usize = 64 * 1024;

/// The treatment of a push to a client whose outbox is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// The client is disconnected, because it is too slow.
    #[default]
    Disconnect,
    /// The push is dropped.
    Drop,
    /// An older push of the same route is dropped; without such a push, the oldest push is.
    Latest,
}

/// The bounds of an outbox.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    pub(crate) policy: Policy,
}

/// The reason why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The session is closed.
    Closed,
    /// No room; the sender may wait.
    Full,
    /// No room, and the policy dropped the message.
    Dropped,
    /// No room, and the policy is to disconnect.
    TooSlow,
}

/// One packet in the queue.
#[derive(Debug)]
enum Item {
    /// The next `len` bytes of the arena. `push` is the hash of a push's route, 0 for a packet that may not be
    /// dropped.
    Local { len: usize, push: u64 },
    /// Bytes that several sessions share.
    Shared { bytes: Bytes, push: u64 },
}

impl Item {
    fn len(&self) -> usize {
        match self {
            Self::Local { len, .. } => *len,
            Self::Shared { bytes, .. } => bytes.len(),
        }
    }

    fn push(&self) -> u64 {
        match self {
            Self::Local { push, .. } | Self::Shared { push, .. } => *push,
        }
    }
}

/// Packets in order: small ones back to back in one arena, shared ones by reference.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    arena: BytesMut,
    items: VecDeque<Item>,
    shared: usize,
    bytes: usize,
    /// Whether the arena shares its memory with that of another batch, which is not to be kept for it.
    part: bool,
}

thread_local! {
    /// The buffer of the last batch this thread wrote, for the next session that needs one.
    static SPARE: Cell<Option<Batch>> = const { Cell::new(None) };
    /// The buffer that a packet is encoded into. It is taken out while in use, so that a nested encoding uses its
    /// own.
    static SCRATCH: Cell<Option<BytesMut>> = const { Cell::new(None) };
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The number of packets.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    fn push_local(&mut self, bytes: &[u8], push: u64) {
        self.bytes += bytes.len();
        self.arena.extend_from_slice(bytes);
        self.items.push_back(Item::Local { len: bytes.len(), push });
    }

    fn push_shared(&mut self, bytes: Bytes, push: u64) {
        if bytes.len() <= COPY_BELOW {
            self.push_local(&bytes, push);
        } else {
            self.bytes += bytes.len();
            self.shared += 1;
            self.items.push_back(Item::Shared { bytes, push });
        }
    }

    /// Returns all bytes as one slice, if nothing is shared.
    pub(crate) fn contiguous(&self) -> Option<&[u8]> {
        (self.shared == 0).then_some(&self.arena[..])
    }

    /// Fills `slices` with the next bytes; used if some bytes are shared.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>]) -> usize {
        let (mut count, mut at, mut run) = (0, 0, 0);
        for item in &self.items {
            if count + 1 >= slices.len() {
                break;
            }
            match item {
                Item::Local { len, .. } => run += len,
                Item::Shared { bytes, .. } => {
                    if run > 0 {
                        slices[count] = std::io::IoSlice::new(&self.arena[at..at + run]);
                        (count, at, run) = (count + 1, at + run, 0);
                    }
                    slices[count] = std::io::IoSlice::new(bytes);
                    count += 1;
                }
            }
        }
        if run > 0 {
            slices[count] = std::io::IoSlice::new(&self.arena[at..at + run]);
            count += 1;
        }
        count
    }

    /// Removes `written` bytes from the front. Returns the number of packets that were written whole.
    pub(crate) fn advance(&mut self, mut written: usize) -> usize {
        self.bytes -= written;
        if written == self.arena.len() && self.shared == 0 {
            let packets = self.items.len();
            self.items.clear();
            self.arena.clear();
            return packets;
        }
        let mut packets = 0;
        while let Some(item) = self.items.front_mut() {
            let take = written.min(item.len());
            let whole = take == item.len();
            match item {
                Item::Local { len, .. } => {
                    let _ = self.arena.split_to(take);
                    *len -= take;
                }
                Item::Shared { bytes, .. } => {
                    let _ = bytes.split_to(take);
                }
            }
            if !whole {
                break;
            }
            if matches!(item, Item::Shared { .. }) {
                self.shared -= 1;
            }
            self.items.pop_front();
            packets += 1;
            written -= take;
        }
        packets
    }

    /// Removes the next packet, to send as a message of its own.
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let packet = match self.items.pop_front()? {
            Item::Local { len, .. } => self.arena.split_to(len).freeze(),
            Item::Shared { bytes, .. } => {
                self.shared -= 1;
                bytes
            }
        };
        self.bytes -= packet.len();
        Some(packet)
    }

    /// Splits off whole packets from the front: at least one, and no more than fill `bytes`.
    #[cold]
    #[inline(never)]
    fn split(&mut self, bytes: usize) -> Self {
        let mut front = Self::default();
        let mut local = 0;
        while let Some(item) = self.items.front() {
            if !front.items.is_empty() && front.bytes + item.len() > bytes {
                break;
            }
            let Some(item) = self.items.pop_front() else { break };
            front.bytes += item.len();
            match item {
                Item::Local { len, .. } => local += len,
                Item::Shared { .. } => front.shared += 1,
            }
            front.items.push_back(item);
        }
        front.arena = self.arena.split_to(local);
        (front.part, self.part) = (true, true);
        self.shared -= front.shared;
        self.bytes -= front.bytes;
        front
    }

    /// Appends all packets of another batch.
    fn append(&mut self, mut other: Self) {
        self.arena.extend_from_slice(&other.arena);
        self.items.append(&mut other.items);
        self.shared += other.shared;
        self.bytes += other.bytes;
    }

    /// Removes the packet at `at`.
    fn remove(&mut self, at: usize) {
        let before: usize =
            self.items.iter().take(at).map(|i| if let Item::Local { len, .. } = i { *len } else { 0 }).sum();
        match self.items.remove(at) {
            Some(Item::Local { len, .. }) => {
                let tail = self.arena.split_off(before + len);
                self.arena.truncate(before);
                self.arena.unsplit(tail);
                self.bytes -= len;
            }
            Some(Item::Shared { bytes, .. }) => {
                self.shared -= 1;
                self.bytes -= bytes.len();
            }
            None => {}
        }
    }

    /// Gives an emptied batch to the next session of this thread.
    pub(crate) fn recycle(self) {
        if self.arena.capacity() <= SPARE_LIMIT && !self.part && self.is_empty() {
            SPARE.set(Some(self));
        }
    }
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
    /// Packets and bytes that the writer has taken and not yet written.
    writing: (usize, usize),
    /// Whether the writer has run since the outbox filled, and found the socket full.
    blocked: bool,
    heartbeat: bool,
    /// The connection's task.
    writer: Option<Waker>,
    /// Senders that wait for room.
    waiting: Vec<Waker>,
}

impl Inner {
    fn full(&self, bounds: &Bounds, more: usize) -> bool {
        let (mut messages, mut bytes) = (self.batch.len(), self.batch.bytes);
        if bounds.policy != Policy::Latest {
            messages += self.writing.0;
            bytes += self.writing.1;
        }
        bytes > 0 && (bytes + more > bounds.bytes || (self.blocked && messages >= bounds.messages))
    }

    /// Inserts a packet before all others.
    fn put_first(&mut self, packet: &Bytes) {
        let rest = mem::take(&mut self.batch);
        self.batch.push_shared(packet.clone(), 0);
        self.batch.append(rest);
    }

    fn wake_writer(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }

    fn borrow_buffers(&mut self) {
        if self.batch.arena.capacity() == 0
            && self.batch.is_empty()
            && let Some(spare) = SPARE.take()
        {
            self.batch = spare;
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

    /// Adds a packet that `write` encodes, if there is room.
    ///
    /// `write` contains code of the user. It runs before anything is locked, so that it neither delays other senders
    /// nor meets them. The bound in bytes may be exceeded by the size of one packet.
    #[inline]
    pub(crate) fn encode<E>(
        &self,
        bounds: &Bounds,
        write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<Result<(), E>, Refused> {
        let mut scratch = SCRATCH.take().unwrap_or_default();
        scratch.clear();
        let done = match write(&mut scratch) {
            Ok(()) => self.put(bounds, &mut scratch).map(Ok),
            Err(error) => Ok(Err(error)),
        };
        if scratch.capacity() <= SPARE_LIMIT {
            SCRATCH.set(Some(scratch));
        }
        done
    }

    /// Adds a packet; a large one with its buffer.
    fn put(&self, bounds: &Bounds, packet: &mut BytesMut) -> Result<(), Refused> {
        let mut inner = self.lock();
        if self.is_closed() {
            return Err(Refused::Closed);
        }
        if inner.full(bounds, 1) {
            return Err(Refused::Full);
        }
        inner.borrow_buffers();
        if packet.len() > SHARE_ABOVE {
            inner.batch.push_shared(packet.split().freeze(), 0);
        } else {
            inner.batch.push_local(packet, 0);
        }
        inner.wake_writer();
        Ok(())
    }

    /// Adds a packet if there is room. Used by senders that wait otherwise.
    pub(crate) fn offer(&self, bounds: &Bounds, packet: &Bytes, push: u64) -> Result<(), Refused> {
        let mut inner = self.lock();
        if self.is_closed() {
            return Err(Refused::Closed);
        }
        if inner.full(bounds, packet.len()) {
            return Err(Refused::Full);
        }
        inner.borrow_buffers();
        inner.batch.push_shared(packet.clone(), push);
        inner.wake_writer();
        Ok(())
    }

    /// Adds a push, or applies the policy. Never waits. Also returns how many older pushes were dropped.
    pub(crate) fn push(&self, bounds: &Bounds, packet: &Bytes, push: u64) -> (Result<(), Refused>, u32) {
        match self.offer(bounds, packet, push) {
            Err(Refused::Full) => match bounds.policy {
                Policy::Disconnect => (Err(Refused::TooSlow), 0),
                Policy::Drop => (Err(Refused::Dropped), 0),
                Policy::Latest => self.replace(bounds, packet, push),
            },
            taken => (taken, 0),
        }
    }

    fn replace(&self, bounds: &Bounds, packet: &Bytes, push: u64) -> (Result<(), Refused>, u32) {
        let mut inner = self.lock();
        if self.is_closed() {
            return (Err(Refused::Closed), 0);
        }
        // What must stay: if the push does not fit beside it, nothing gives way for it.
        let stays = inner.batch.items.iter().filter(|item| item.push() == 0);
        let (messages, bytes) = stays.fold((0, 0), |(n, bytes), item| (n + 1, bytes + item.len()));
        let no_room = bytes > 0
            && (bytes + packet.len() > bounds.bytes || (inner.blocked && messages >= bounds.messages));
        if no_room {
            return (Err(Refused::Dropped), 0);
        }
        let mut gone = 0;
        while inner.full(bounds, packet.len()) {
            let items = &inner.batch.items;
            let victim = items
                .iter()
                .position(|i| i.push() == push)
                .or_else(|| items.iter().position(|i| i.push() != 0));
            let Some(victim) = victim else { return (Err(Refused::Dropped), gone) };
            inner.batch.remove(victim);
            gone += 1;
        }
        inner.batch.push_shared(packet.clone(), push);
        inner.wake_writer();
        (Ok(()), gone)
    }

    /// Is ready when there may be room for `more` bytes, or when the outbox is closed.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>, bounds: &Bounds, more: usize) -> Poll<()> {
        let mut inner = self.lock();
        if self.is_closed() || !inner.full(bounds, more) {
            return Poll::Ready(());
        }
        if !inner.waiting.iter().any(|w| w.will_wake(cx.waker())) {
            inner.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Is ready when the outbox is closed.
    pub(crate) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        if self.is_closed() {
            return Poll::Ready(());
        }
        if !inner.waiting.iter().any(|w| w.will_wake(cx.waker())) {
            inner.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Holds all packets back until the handshake is answered.
    pub(crate) fn hold(&self) {
        self.lock().held = true;
    }

    /// Inserts the reply that accepts the handshake before the held packets, and releases them all.
    pub(crate) fn accepted(&self, reply: &Bytes) {
        let mut inner = self.lock();
        if !self.is_closed() {
            inner.held = false;
            inner.put_first(reply);
            inner.wake_writer();
        }
    }

    /// Replaces the held packets by the reply that refuses the handshake, and closes.
    pub(crate) fn refused(&self, reply: &Bytes, reason: CloseReason) -> Option<usize> {
        let discarded = self.close(reason, None)?;
        self.lock().put_first(reply);
        Some(discarded)
    }

    /// Adds a heartbeat, unless one is waiting already.
    pub(crate) fn heartbeat(&self, packet: &Bytes) {
        let mut inner = self.lock();
        if !self.is_closed() && !inner.heartbeat {
            inner.heartbeat = true;
            inner.batch.push_shared(packet.clone(), 0);
        }
    }

    /// Closes permanently, with an optional last packet. Waiting packets stay for the writer to flush, unless they
    /// wait for a handshake. Returns how many packets are dropped for that; `None` if it was closed already.
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
                inner.batch.push_shared(last.clone(), 0);
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
    pub(crate) fn closed(&self) -> Option<CloseReason> {
        self.closed.get().copied()
    }

    /// Takes the packets to write: all, or a part if newer pushes can replace the waiting ones. The writer is at work
    /// from then on, so that senders need not wake it until it parks.
    pub(crate) fn take(&self, bounds: &Bounds) -> (Option<Batch>, Option<CloseReason>) {
        let mut inner = self.lock();
        inner.writer = None;
        if inner.held || inner.batch.is_empty() {
            return (None, self.closed());
        }
        let batch = if bounds.policy == Policy::Latest && inner.batch.bytes > TAKE {
            inner.batch.split(TAKE)
        } else {
            mem::take(&mut inner.batch)
        };
        inner.writing = (batch.len(), batch.bytes);
        inner.heartbeat = false;
        (Some(batch), self.closed())
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
    pub(crate) fn wrote(&self, bounds: &Bounds, packets: usize, bytes: usize, blocked: bool) -> bool {
        let (more, waiting) = {
            let mut inner = self.lock();
            inner.writing.0 -= packets.min(inner.writing.0);
            inner.writing.1 -= bytes.min(inner.writing.1);
            inner.blocked = blocked && inner.writing.0 + inner.batch.len() >= bounds.messages;
            let more = !inner.held && !inner.batch.is_empty();
            if inner.waiting.is_empty() || inner.full(bounds, 1) {
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
        (inner.writing.0 + inner.batch.len(), inner.writing.1 + inner.batch.bytes)
    }
}

/// The key by which the queue remembers the route of a push; never 0.
pub(crate) fn route_hash(route: &str) -> u64 {
    use std::hash::BuildHasher;
    foldhash::fast::FixedState::default().hash_one(route) | 1
}
