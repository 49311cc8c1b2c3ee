//! The writing side of a connection: from the outbox into the link.

use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use crate::acceptor::{ByteStream, Link, PacketStream};
use crate::session::{Batch, CloseReason, FrontendSession};

/// The most slices of one vectored write.
const SLICES: usize = 32;
/// The bytes that count as progress of a slow client. Progress restarts its write deadline.
const PROGRESS: usize = 4096;
/// The most batches of one round. Other threads may fill the outbox as fast as it empties, but the reader needs a part
/// of the task's cooperative budget: a client that is not read looks silent.
const ROUNDS: usize = 32;

/// The writing side of a connection.
#[derive(Default)]
pub(super) struct Output {
    /// The batch that is being written.
    batch: Option<Batch>,
    /// Packets fed to a packet link and not yet flushed, and their bytes.
    fed: (usize, usize),
    /// Packets waited in the outbox when the last of the batch was written. `true` until that is known.
    more: bool,
    progress: usize,
    /// The bytes that a packet link had written at the last check.
    written: u64,
    /// The deadline of the next progress; `None` while the client takes everything.
    until: Option<Instant>,
    /// The session is closed: everything must be written until `until`, and progress no longer extends it.
    last: bool,
}

/// How a round of writing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrote {
    /// Everything was written.
    All,
    /// The link takes no more now.
    Blocked,
    /// The task's budget is used up, which says nothing about the client. The task is woken to continue.
    Yielded,
}

impl Output {
    /// Writes what the outbox holds, as far as the link takes it. Returns why the session is closed, if it is.
    pub(super) fn write(
        &mut self,
        session: &FrontendSession,
        link: &mut Link,
        deadline: Duration,
        cx: &mut Context<'_>,
    ) -> io::Result<(Wrote, Option<CloseReason>)> {
        for _ in 0..ROUNDS {
            if self.batch.is_none() && self.fed.0 == 0 {
                let (batch, closed) = session.take_batch();
                self.batch = batch;
                self.more = true;
                if self.batch.is_none() {
                    self.until = None;
                    return Ok((Wrote::All, closed));
                }
            }
            let wrote = match link {
                Link::Bytes(stream) => self.write_bytes(session, &mut **stream, cx)?,
                Link::Packets(stream) => {
                    let wrote = self.write_packets(session, &mut **stream, cx)?;
                    self.advance_packets(session, stream.written());
                    wrote
                }
            };
            match wrote {
                Wrote::All if self.more => {}
                // The outbox was empty after the last packet. `Outbox::park` finds what came since.
                Wrote::All => {
                    self.until = None;
                    return Ok((Wrote::All, session.close_reason()));
                }
                // A link without a cooperative budget has not woken the task.
                Wrote::Yielded => break,
                Wrote::Blocked => return Ok((Wrote::Blocked, self.blocked(session, deadline))),
            }
        }
        cx.waker().wake_by_ref();
        Ok((Wrote::Yielded, session.close_reason()))
    }

    /// Sets the write deadline of a client that takes no more now. Returns why the session is closed, if it is.
    #[inline(never)]
    fn blocked(&mut self, session: &FrontendSession, deadline: Duration) -> Option<CloseReason> {
        session.outbox().record_write(&session.pool().settings().outbox, 0, 0, true);
        let closed = session.close_reason();
        let is_first_after_close = closed.is_some() && !mem::replace(&mut self.last, closed.is_some());
        let has_progress = self.progress >= PROGRESS && !self.last;
        if self.until.is_none() || is_first_after_close || has_progress {
            self.until = Some(Instant::now() + deadline);
            self.progress = 0;
        }
        closed
    }

    /// Returns whether something is being written.
    pub(super) fn busy(&self) -> bool {
        self.batch.is_some() || self.fed.0 > 0
    }

    /// Returns the write deadline of the client.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.until
    }

    fn write_bytes(
        &mut self,
        session: &FrontendSession,
        stream: &mut dyn ByteStream,
        cx: &mut Context<'_>,
    ) -> io::Result<Wrote> {
        let Some(batch) = &mut self.batch else { return Ok(Wrote::All) };
        let limits = &session.pool().settings().outbox;
        let mut stream = Pin::new(stream);
        while !batch.is_empty() {
            let poll = match batch.contiguous() {
                Some(bytes) => stream.as_mut().poll_write(cx, bytes),
                None => {
                    let mut slices = [IoSlice::new(&[]); SLICES];
                    let count = batch.slices(&mut slices);
                    stream.as_mut().poll_write_vectored(cx, &slices[..count])
                }
            };
            match poll {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => {
                    self.progress += written;
                    let packets = batch.advance(written);
                    self.more = session.outbox().record_write(limits, packets, written, false);
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(pending()),
            }
        }
        // TLS buffers what does not fill a record. On a plain socket a flush does nothing.
        if stream.as_mut().poll_flush(cx)?.is_pending() {
            // More may come while the flush waits.
            self.more = true;
            return Ok(pending());
        }
        if let Some(batch) = self.batch.take() {
            batch.recycle();
        }
        Ok(Wrote::All)
    }

    fn write_packets(
        &mut self,
        session: &FrontendSession,
        stream: &mut dyn PacketStream,
        cx: &mut Context<'_>,
    ) -> io::Result<Wrote> {
        let limits = &session.pool().settings().outbox;
        if let Some(batch) = &mut self.batch {
            while !batch.is_empty() {
                if stream.poll_ready(cx)?.is_pending() {
                    return Ok(pending());
                }
                let Some(packet) = batch.pop() else { break };
                self.fed = (self.fed.0 + 1, self.fed.1 + packet.len());
                stream.start_send(packet)?;
            }
            if let Some(batch) = self.batch.take() {
                batch.recycle();
            }
        }
        if stream.poll_flush(cx)?.is_pending() {
            return Ok(pending());
        }
        let (packets, bytes) = mem::take(&mut self.fed);
        self.progress += bytes;
        self.more = session.outbox().record_write(limits, packets, bytes, false);
        Ok(Wrote::All)
    }

    /// Accounts for what the transport below a packet link has taken since the last time.
    ///
    /// Packets leave the link in order but are not reported one by one, so their number is estimated by the bytes.
    fn advance_packets(&mut self, session: &FrontendSession, written: u64) {
        let more = usize::try_from(written - mem::replace(&mut self.written, written)).unwrap_or(usize::MAX);
        self.progress = self.progress.saturating_add(more);
        let (packets, bytes) = self.fed;
        let out = more.min(bytes.saturating_sub(1));
        if out > 0 {
            // The last packet stays until the link has flushed.
            let whole = usize::try_from((packets as u128 * out as u128) / bytes as u128).unwrap_or(0);
            let whole = whole.min(packets - 1);
            self.fed = (packets - whole, bytes - out);
            session.outbox().record_write(&session.pool().settings().outbox, whole, out, false);
        }
    }
}

/// Returns the meaning of a link's `Pending`. With an empty budget every resource of tokio is pending, even a ready
/// one.
fn pending() -> Wrote {
    if tokio::task::coop::has_budget_remaining() { Wrote::Blocked } else { Wrote::Yielded }
}
