//! The reading side of a connection: from the link to whole packets.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::ReadBuf;
use tokio::time::Instant;

use crate::acceptor::{ByteStream, Link, MessageTooLong, PacketStream};
use crate::serialize::Body;
use crate::session::CloseReason;
use crate::wire::packet::{self, Kind, PacketError};

/// The most bytes of one read.
const READ: usize = 64 * 1024;
/// The most reads of a byte stream in one poll. A socket is empty after one or two; another stream might never be.
const READS: usize = 16;
/// The most packets of a packet link in one poll.
const PACKETS: usize = 64;
/// The most bytes that are read ahead.
const AHEAD: usize = 64 * 1024;

thread_local! {
    /// The buffer that all connections of a thread read into. A handler may run another connection on the same
    /// thread: that one finds the buffer taken and makes its own.
    static SCRATCH: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// A whole packet, its body borrowed or shared.
pub(super) struct Packet<'a> {
    pub(super) kind: Kind,
    pub(super) body: Body<'a>,
    pub(super) read_at: Instant,
}

/// The result of reading from a link.
pub(super) enum Fill {
    /// Something was read.
    Read,
    /// The link has no more. It wakes the task when it does. `partial`: the start of a packet has been read.
    Pending { partial: bool },
    /// This poll has read enough, and the link may have more.
    Enough { partial: bool },
    /// The client or the link closed the connection.
    Closed(CloseReason),
}

/// Input that was read from a link and is not handled yet.
///
/// Between polls an idle connection holds no buffer here.
pub(super) struct Input {
    /// The buffer of the thread, while a poll reads.
    scratch: Option<Box<[u8]>>,
    /// The length of what was read into it.
    filled: usize,
    /// Bytes that an earlier read left over. While there are any, reads are appended to them.
    kept: BytesMut,
    /// The length of the packets that were returned, in `kept` if that is not empty, else in `scratch`.
    used: usize,
    /// Packets that were read ahead from a packet link.
    ahead: VecDeque<Bytes>,
    /// The packet that was received from a packet link.
    current: Bytes,
    /// `current` was not returned yet.
    received: bool,
    /// When the input that comes next was read.
    read_at: Instant,
    /// Reads or packets of this poll.
    reads: usize,
    /// The last read filled the buffer.
    full: bool,
    /// The largest body that a packet link accepts.
    max_body: usize,
}

impl Input {
    /// Makes the input of a link that accepts bodies of up to `max_body`.
    pub(super) fn new(max_body: usize, now: Instant) -> Self {
        Self {
            scratch: None,
            filled: 0,
            kept: BytesMut::new(),
            used: 0,
            ahead: VecDeque::new(),
            current: Bytes::new(),
            received: false,
            read_at: now,
            reads: 0,
            full: false,
            max_body,
        }
    }

    /// Returns the next whole packet of what was read. Its body may have up to `max_body` bytes.
    #[inline]
    pub(super) fn next(&mut self, max_body: usize) -> Result<Option<Packet<'_>>, PacketError> {
        let read_at = self.read_at;
        if mem::take(&mut self.received) {
            let packet = packet::whole(&self.current, max_body)?;
            let body = Body::shared(&self.current).part(packet.body);
            return Ok(Some(Packet { kind: packet.kind, body, read_at }));
        }
        let bytes = match &self.scratch {
            Some(scratch) if self.kept.is_empty() => &scratch[self.used..self.filled],
            _ => &self.kept[self.used..],
        };
        let Some((packet, size)) = packet::split(bytes, max_body)? else { return Ok(None) };
        self.used += size;
        Ok(Some(Packet { kind: packet.kind, body: Body::borrowed(packet.body), read_at }))
    }

    /// Reads once from the link, which must not send larger bodies than `max_body`.
    pub(super) fn fill(
        &mut self,
        link: &mut Link,
        max_body: usize,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Fill {
        match link {
            Link::Bytes(stream) => self.fill_from_stream(&mut **stream, now, cx),
            Link::Packets(stream) => self.fill_from_packets(&mut **stream, max_body, now, cx),
        }
    }

    fn fill_from_stream(&mut self, stream: &mut dyn ByteStream, now: Instant, cx: &mut Context<'_>) -> Fill {
        let partial = self.keep();
        if self.full || self.reads == READS {
            return Fill::Enough { partial };
        }
        let scratch =
            self.scratch.get_or_insert_with(|| SCRATCH.take().unwrap_or_else(|| vec![0; READ].into()));
        let mut buf = ReadBuf::new(scratch);
        let read = match Pin::new(stream).poll_read(cx, &mut buf) {
            Poll::Pending => return Fill::Pending { partial },
            Poll::Ready(Err(error)) => return Fill::Closed(close_reason_of(&error)),
            Poll::Ready(Ok(())) => buf.filled(),
        };
        if read.is_empty() {
            return Fill::Closed(CloseReason::Client);
        }
        if partial {
            self.kept.extend_from_slice(read);
        } else {
            self.filled = read.len();
        }
        // After a short read the next poll of a socket only registers the waker, with no system call.
        self.full = read.len() == READ;
        self.reads += 1;
        self.read_at = now;
        Fill::Read
    }

    /// Drops what is handled, and moves the rest out of the thread's buffer. Returns whether there is a rest.
    fn keep(&mut self) -> bool {
        if self.kept.is_empty() {
            if let Some(scratch) = &self.scratch
                && self.used < self.filled
            {
                self.kept.extend_from_slice(&scratch[self.used..self.filled]);
            }
        } else if self.used == self.kept.len() {
            self.kept = BytesMut::new();
        } else {
            self.kept.advance(self.used);
        }
        (self.used, self.filled) = (0, 0);
        !self.kept.is_empty()
    }

    fn fill_from_packets(
        &mut self,
        stream: &mut dyn PacketStream,
        max_body: usize,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Fill {
        if max_body != self.max_body {
            self.max_body = max_body;
            stream.set_max_packet(max_body);
        }
        if self.reads == PACKETS {
            return Fill::Enough { partial: false };
        }
        self.current = match self.ahead.pop_front() {
            Some(packet) => packet,
            None => match stream.poll_recv(cx) {
                Poll::Pending => {
                    self.ahead = VecDeque::new();
                    return Fill::Pending { partial: stream.is_partial() };
                }
                Poll::Ready(None) => return Fill::Closed(CloseReason::Client),
                Poll::Ready(Some(Err(error))) => return Fill::Closed(close_reason_of(&error)),
                Poll::Ready(Some(Ok(packet))) => {
                    self.read_at = now;
                    packet
                }
            },
        };
        self.received = true;
        self.reads += 1;
        Fill::Read
    }

    /// Reads a limited amount while packets wait, because only a read notices that the client has disconnected.
    pub(super) fn read_ahead(
        &mut self,
        link: &mut Link,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Result<(), CloseReason> {
        if !self.keep() && self.ahead.is_empty() {
            self.read_at = now;
        }
        match link {
            Link::Bytes(stream) => {
                let mut chunk = [0; 1024];
                while self.kept.len() < AHEAD {
                    let mut buf = ReadBuf::new(&mut chunk);
                    match Pin::new(&mut **stream).poll_read(cx, &mut buf) {
                        Poll::Pending => break,
                        Poll::Ready(Err(error)) => return Err(close_reason_of(&error)),
                        Poll::Ready(Ok(())) if buf.filled().is_empty() => return Err(CloseReason::Client),
                        Poll::Ready(Ok(())) => self.kept.extend_from_slice(buf.filled()),
                    }
                }
            }
            Link::Packets(stream) => {
                while self.ahead.len() < PACKETS && self.ahead.iter().map(Bytes::len).sum::<usize>() < AHEAD {
                    match stream.poll_recv(cx) {
                        Poll::Pending => break,
                        Poll::Ready(None) => return Err(CloseReason::Client),
                        Poll::Ready(Some(Err(error))) => return Err(close_reason_of(&error)),
                        Poll::Ready(Some(Ok(packet))) => self.ahead.push_back(packet),
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends the input of one poll: returns the buffer to the thread.
    pub(super) fn end_poll(&mut self) {
        self.keep();
        if let Some(scratch) = self.scratch.take() {
            SCRATCH.set(Some(scratch));
        }
        self.current = Bytes::new();
        (self.reads, self.full) = (0, false);
    }
}

/// Returns why a connection closes whose link failed to read.
fn close_reason_of(error: &io::Error) -> CloseReason {
    match error.kind() {
        _ if MessageTooLong::is_in(error) => CloseReason::TooLarge,
        io::ErrorKind::InvalidData => CloseReason::Protocol,
        _ => CloseReason::Client,
    }
}
