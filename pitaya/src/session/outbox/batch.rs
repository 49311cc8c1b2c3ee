//! The packets of an outbox, in the form in which they are written.

use std::cell::Cell;
use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::io::IoSlice;
use std::num::NonZeroU64;

use bytes::{Bytes, BytesMut};

/// Shared packets up to this size are copied, because the bookkeeping of sharing one costs more.
const COPY_BELOW: usize = 256;
/// The most memory that an emptied buffer may keep for the next session of its thread.
pub(super) const SPARE_LIMIT: usize = 256 * 1024;

/// The hash of the route of a push. A packet without a key is never dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PushKey(NonZeroU64);

impl PushKey {
    pub(crate) fn of_route(route: &str) -> Self {
        Self(NonZeroU64::MIN | foldhash::fast::FixedState::default().hash_one(route))
    }
}

/// One packet in the queue.
#[derive(Debug)]
struct Packet {
    body: Body,
    key: Option<PushKey>,
}

#[derive(Debug)]
enum Body {
    /// The next bytes of the arena.
    Local(usize),
    /// Bytes that several sessions share.
    Shared(Bytes),
}

impl Packet {
    fn len(&self) -> usize {
        match &self.body {
            Body::Local(len) => *len,
            Body::Shared(bytes) => bytes.len(),
        }
    }

    /// The bytes of the arena that belong to this packet.
    fn local_len(&self) -> usize {
        if let Body::Local(len) = self.body { len } else { 0 }
    }
}

/// Packets in order: small ones back to back in one arena, shared ones by reference.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    arena: BytesMut,
    packets: VecDeque<Packet>,
    shared: usize,
    bytes: usize,
    /// Whether the arena shares its memory with another batch. Such an arena is not recycled.
    split: bool,
}

thread_local! {
    /// The buffer of the last batch this thread wrote, for the next session that needs one.
    static SPARE: Cell<Option<Batch>> = const { Cell::new(None) };
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// The number of packets.
    pub(crate) fn len(&self) -> usize {
        self.packets.len()
    }

    /// The number of bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends a packet by copying it.
    pub(super) fn push_copy(&mut self, bytes: &[u8], key: Option<PushKey>) {
        self.bytes += bytes.len();
        self.arena.extend_from_slice(bytes);
        self.packets.push_back(Packet { body: Body::Local(bytes.len()), key });
    }

    /// Appends a packet; a large one by reference.
    pub(super) fn push(&mut self, bytes: Bytes, key: Option<PushKey>) {
        if bytes.len() <= COPY_BELOW {
            self.push_copy(&bytes, key);
        } else {
            self.bytes += bytes.len();
            self.shared += 1;
            self.packets.push_back(Packet { body: Body::Shared(bytes), key });
        }
    }

    /// Inserts a packet before all others.
    pub(super) fn push_first(&mut self, bytes: Bytes) {
        let rest = std::mem::take(self);
        self.push(bytes, None);
        self.append(rest);
    }

    /// Returns all bytes as one slice, if nothing is shared.
    pub(crate) fn contiguous(&self) -> Option<&[u8]> {
        (self.shared == 0).then_some(&self.arena[..])
    }

    /// Fills `slices` with the next bytes; used if some bytes are shared.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let (mut count, mut at, mut run) = (0, 0, 0);
        for packet in &self.packets {
            if count + 1 >= slices.len() {
                break;
            }
            match &packet.body {
                Body::Local(len) => run += len,
                Body::Shared(bytes) => {
                    if run > 0 {
                        slices[count] = IoSlice::new(&self.arena[at..at + run]);
                        (count, at, run) = (count + 1, at + run, 0);
                    }
                    slices[count] = IoSlice::new(bytes);
                    count += 1;
                }
            }
        }
        if run > 0 {
            slices[count] = IoSlice::new(&self.arena[at..at + run]);
            count += 1;
        }
        count
    }

    /// Removes `written` bytes from the front. Returns the number of packets that were written whole.
    pub(crate) fn advance(&mut self, mut written: usize) -> usize {
        self.bytes -= written;
        if written == self.arena.len() && self.shared == 0 {
            let whole = self.packets.len();
            self.packets.clear();
            self.arena.clear();
            return whole;
        }
        let mut whole = 0;
        while let Some(packet) = self.packets.front_mut() {
            let len = packet.len();
            let take = written.min(len);
            match &mut packet.body {
                Body::Local(len) => {
                    let _ = self.arena.split_to(take);
                    *len -= take;
                }
                Body::Shared(bytes) => {
                    let _ = bytes.split_to(take);
                }
            }
            if take < len {
                break;
            }
            if matches!(packet.body, Body::Shared(_)) {
                self.shared -= 1;
            }
            self.packets.pop_front();
            whole += 1;
            written -= take;
        }
        whole
    }

    /// Removes the next packet, to send as a message of its own.
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let bytes = match self.packets.pop_front()?.body {
            Body::Local(len) => self.arena.split_to(len).freeze(),
            Body::Shared(bytes) => {
                self.shared -= 1;
                bytes
            }
        };
        self.bytes -= bytes.len();
        Some(bytes)
    }

    /// Splits off whole packets from the front: at least one, and no more than fill `bytes`.
    #[cold]
    #[inline(never)]
    pub(super) fn split(&mut self, bytes: usize) -> Self {
        let mut front = Self::default();
        let mut local = 0;
        while let Some(packet) = self.packets.front() {
            if !front.packets.is_empty() && front.bytes + packet.len() > bytes {
                break;
            }
            let Some(packet) = self.packets.pop_front() else { break };
            front.bytes += packet.len();
            match packet.body {
                Body::Local(len) => local += len,
                Body::Shared(_) => front.shared += 1,
            }
            front.packets.push_back(packet);
        }
        front.arena = self.arena.split_to(local);
        (front.split, self.split) = (true, true);
        self.shared -= front.shared;
        self.bytes -= front.bytes;
        front
    }

    /// Appends all packets of another batch.
    fn append(&mut self, mut other: Self) {
        self.arena.extend_from_slice(&other.arena);
        self.packets.append(&mut other.packets);
        self.shared += other.shared;
        self.bytes += other.bytes;
    }

    /// Returns packets and bytes of what may not be dropped.
    pub(super) fn permanent(&self) -> (usize, usize) {
        let kept = self.packets.iter().filter(|packet| packet.key.is_none());
        kept.fold((0, 0), |(packets, bytes), packet| (packets + 1, bytes + packet.len()))
    }

    /// Removes the oldest push with this key; without one, the oldest push. Returns `false` if no push waits.
    pub(super) fn drop_push(&mut self, key: PushKey) -> bool {
        let same = self.packets.iter().position(|packet| packet.key == Some(key));
        let oldest = same.or_else(|| self.packets.iter().position(|packet| packet.key.is_some()));
        oldest.is_some_and(|at| self.remove(at))
    }

    /// Removes the packet at `at`. Returns `false` without such a packet.
    fn remove(&mut self, at: usize) -> bool {
        let before: usize = self.packets.iter().take(at).map(Packet::local_len).sum();
        let Some(packet) = self.packets.remove(at) else { return false };
        self.bytes -= packet.len();
        match packet.body {
            Body::Local(len) => {
                let tail = self.arena.split_off(before + len);
                self.arena.truncate(before);
                self.arena.unsplit(tail);
            }
            Body::Shared(_) => self.shared -= 1,
        }
        true
    }

    /// Takes the buffers that the thread keeps, if this batch has none.
    pub(super) fn borrow_buffers(&mut self) {
        if self.arena.capacity() == 0
            && self.is_empty()
            && let Some(spare) = SPARE.take()
        {
            *self = spare;
        }
    }

    /// Gives an emptied batch to the next session of this thread.
    pub(crate) fn recycle(self) {
        if self.arena.capacity() <= SPARE_LIMIT && !self.split && self.is_empty() {
            SPARE.set(Some(self));
        }
    }
}
