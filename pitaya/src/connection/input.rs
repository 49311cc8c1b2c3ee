//! The reading side of a connection: from the link to whole packets.

use std::cell::Cell;
use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::ReadBuf;
use tokio::time::Instant;

use super::{Connection, close_reason_of};
use crate::acceptor::{FilterPacket, Link, Verdict};
use crate::serialize::Body;
use crate::session::CloseReason;
use crate::wire::packet;

/// How much one read may bring.
const READ: usize = 64 * 1024;
/// How many reads one poll may take. A socket has no more at once than fits into one or two; a stream of a user's own
/// might never end.
const READS: usize = 16;
/// How many packets a packet link may bring in one poll.
const PACKETS: usize = 64;

/// A whole packet, its body borrowed or shared.
pub(super) struct Packet<'a> {
    pub(super) kind: packet::Kind,
    pub(super) body: Body<'a>,
}

/// How a round of reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// There is nothing more: the link wakes the task when there is.
    Waiting,
    /// There may be more at once.
    More,
    /// We do not read now.
    Stopped,
}

/// How much is read ahead of what waits, in bytes.
const AHEAD: usize = 64 * 1024;

thread_local! {
    /// What all connections of a thread read into. Taken out while it is in use, so that a handler that runs
    /// another connection on the same thread finds it gone and makes its own.
    static SCRATCH: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

impl Connection {
    /// Reads what one read brings, and handles it.
    pub(super) fn read(&mut self, now: Instant, cx: &mut Context<'_>) -> Result<Read, CloseReason> {
        if !self.reads() {
            return self.read_ahead(now, cx);
        }
        if matches!(self.link, Link::Packets(_)) {
            return self.read_packets(now, cx);
        }
        if !self.rest.is_empty() {
            // What an earlier poll left over comes first.
            let rest = mem::take(&mut self.rest);
            self.rest = self.consume_owned(rest, (self.rest_since, now), cx)?;
            if !self.reads() {
                return self.read_ahead(now, cx);
            }
        }
        let mut scratch = SCRATCH.take().unwrap_or_else(|| vec![0; READ].into());
        let result = self.read_bytes(&mut scratch, now, cx);
        SCRATCH.set(Some(scratch));
        result
    }

    /// While what was read waits, a little more is read and kept: only so is it noticed that the client has gone.
    fn read_ahead(&mut self, now: Instant, cx: &mut Context<'_>) -> Result<Read, CloseReason> {
        if self.authentication.is_some()
            || !self.lane.full(&self.context.limits)
            || self.core.close_reason().is_some()
        {
            return Ok(Read::Stopped);
        }
        if self.rest.is_empty() && self.early.is_empty() {
            self.rest_since = now;
        }
        match &mut self.link {
            Link::Bytes(stream) => {
                let mut chunk = [0; 1024];
                while self.rest.len() < AHEAD {
                    let mut buf = ReadBuf::new(&mut chunk);
                    match Pin::new(&mut **stream).poll_read(cx, &mut buf) {
                        Poll::Pending => break,
                        Poll::Ready(Err(error)) => return Err(close_reason_of(&error)),
                        Poll::Ready(Ok(())) if buf.filled().is_empty() => return Err(CloseReason::Client),
                        Poll::Ready(Ok(())) => self.rest.extend_from_slice(buf.filled()),
                    }
                }
            }
            Link::Packets(stream) => {
                while self.early.len() < PACKETS && self.early.iter().map(Bytes::len).sum::<usize>() < AHEAD {
                    match stream.poll_recv(cx) {
                        Poll::Pending => break,
                        Poll::Ready(None) => return Err(CloseReason::Client),
                        Poll::Ready(Some(Err(error))) => return Err(close_reason_of(&error)),
                        Poll::Ready(Some(Ok(packet))) => self.early.push_back(packet),
                    }
                }
            }
        }
        Ok(Read::Stopped)
    }

    fn read_bytes(
        &mut self,
        scratch: &mut [u8],
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Result<Read, CloseReason> {
        for _ in 0..READS {
            let Link::Bytes(stream) = &mut self.link else { return Ok(Read::Stopped) };
            let mut buf = ReadBuf::new(scratch);
            match Pin::new(&mut **stream).poll_read(cx, &mut buf) {
                Poll::Pending => return Ok(Read::Waiting),
                Poll::Ready(Err(error)) => return Err(close_reason_of(&error)),
                Poll::Ready(Ok(())) => {}
            }
            let filled = buf.filled().len();
            if filled == 0 {
                return Err(CloseReason::Client);
            }
            let full = filled == scratch.len();
            if self.rest.is_empty() {
                let used = self.consume(&scratch[..filled], (now, now), cx)?;
                if used < filled {
                    self.rest.extend_from_slice(&scratch[used..filled]);
                    self.rest_since = now;
                }
            } else {
                let mut rest = mem::take(&mut self.rest);
                rest.extend_from_slice(&scratch[..filled]);
                self.rest_since = now;
                self.rest = self.consume_owned(rest, (now, now), cx)?;
            }
            if !self.reads() {
                return self.read_ahead(now, cx);
            }
            if full {
                return Ok(Read::More);
            }
            // The next poll of the socket only registers the waker, with no system call.
        }
        Ok(Read::More)
    }

    fn consume_owned(
        &mut self,
        mut rest: BytesMut,
        times: (Instant, Instant),
        cx: &mut Context<'_>,
    ) -> Result<BytesMut, CloseReason> {
        let used = self.consume(&rest, times, cx)?;
        if used == rest.len() {
            return Ok(BytesMut::new()); // an idle connection holds no buffer
        }
        rest.advance(used);
        Ok(rest)
    }

    /// Handles the whole packets at the start of `bytes`, with the times when they were read and now; gives how many
    /// bytes they were.
    fn consume(
        &mut self,
        bytes: &[u8],
        times: (Instant, Instant),
        cx: &mut Context<'_>,
    ) -> Result<usize, CloseReason> {
        let mut used = 0;
        while self.reads() {
            match packet::split(&bytes[used..], self.machine.max_body()) {
                Ok(Some((packet, size))) => {
                    used += size;
                    self.filter(packet, None, times, cx)?;
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::debug!(session = self.core.id(), %error, "bad packet");
                    return Err(bad_packet(error));
                }
            }
        }
        if used > 0 {
            self.machine.partial(false, times.1); // what begins now has its own time
        }
        let partial = self.reads() && used < bytes.len();
        self.machine.partial(partial, times.1);
        Ok(used)
    }

    fn read_packets(&mut self, now: Instant, cx: &mut Context<'_>) -> Result<Read, CloseReason> {
        for _ in 0..PACKETS {
            if !self.reads() {
                return self.read_ahead(now, cx);
            }
            let max_body = self.machine.max_body();
            let Link::Packets(stream) = &mut self.link else { return Ok(Read::Stopped) };
            let (bytes, arrived) = match self.early.pop_front() {
                Some(bytes) => (bytes, self.rest_since),
                None => match stream.poll_recv(cx) {
                    Poll::Pending => {
                        self.early = VecDeque::new();
                        self.machine.partial(stream.is_partial(), now);
                        return Ok(Read::Waiting);
                    }
                    Poll::Ready(None) => return Err(CloseReason::Client),
                    Poll::Ready(Some(Err(error))) => return Err(close_reason_of(&error)),
                    Poll::Ready(Some(Ok(bytes))) => (bytes, now),
                },
            };
            self.machine.partial(false, now);
            match packet::whole(&bytes, max_body) {
                Ok(packet) => self.filter(packet, Some(&bytes), (arrived, now), cx)?,
                Err(error) => {
                    tracing::debug!(session = self.core.id(), %error, "bad packet");
                    return Err(bad_packet(error));
                }
            }
            let max_after = self.machine.max_body();
            if max_after != max_body
                && let Link::Packets(stream) = &mut self.link
            {
                stream.set_max_packet(max_after);
            }
        }
        Ok(Read::More)
    }

    /// Shows a packet to the wrappers' filters, in their order, and handles what they leave.
    fn filter(
        &mut self,
        packet: packet::Packet<'_>,
        shared: Option<&Bytes>,
        times: (Instant, Instant),
        cx: &mut Context<'_>,
    ) -> Result<(), CloseReason> {
        if !self.filters.is_empty() {
            let mut seen = FilterPacket::new(packet.kind, packet.body);
            for filter in &mut self.filters {
                match filter.incoming(&mut seen, times.1) {
                    Verdict::Pass => {}
                    Verdict::Drop(reason) => {
                        self.context.metrics.filtered(reason);
                        return Ok(());
                    }
                    Verdict::Refuse(reason) => {
                        self.context.metrics.filtered(reason);
                        self.refused = packet.kind == packet::Kind::Data;
                        break;
                    }
                    Verdict::Close => return Err(CloseReason::Protocol),
                }
            }
            let packet = Packet { kind: packet.kind, body: Body::borrowed(seen.body()) };
            return self.packet(packet, times, cx);
        }
        match shared {
            None => self.packet(Packet { kind: packet.kind, body: Body::borrowed(packet.body) }, times, cx),
            Some(shared) => {
                let body = Body::shared(shared).part(packet.body);
                self.packet(Packet { kind: packet.kind, body }, times, cx)
            }
        }
    }
}

/// Why a connection closes whose bytes are no packet.
fn bad_packet(error: packet::PacketError) -> CloseReason {
    if error == packet::PacketError::TooLarge { CloseReason::TooLarge } else { CloseReason::Protocol }
}
