//! The one writer of a connection: from the outbox into the link.

use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use crate::acceptor::{ByteStream, Link, PacketStream};
use crate::session::{Batch, CloseReason, Core};

/// The most slices of one vectored write.
const SLICES: usize = 32;
/// A slow client that takes this much has made progress, and its write deadline starts again.
const PROGRESS: usize = 4096;

/// The writing side of a connection.
#[derive(Default)]
pub(super) struct Output {
    /// What is being written.
    batch: Option<Batch>,
    /// Packets fed to a packet link and not yet flushed, and their bytes.
    fed: (usize, usize),
    progress: usize,
    /// What a packet link had written when it was last asked.
    written: u64,
    /// Until when there must be progress; `None` while nothing waits for the client.
    until: Option<Instant>,
    /// The session is closed: until `until` all must be out, and progress does not put it off any more.
    last: bool,
}

/// What a round of writing left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrote {
    /// Nothing is left.
    All,
    /// The client takes no more just now.
    Blocked,
}

impl Output {
    /// Writes what the outbox holds until there is no more, or no more is taken. Gives why the session is
    /// closed, if it is.
    pub(super) fn write(
        &mut self,
        core: &Core,
        link: &mut Link,
        deadline: Duration,
        cx: &mut Context<'_>,
    ) -> io::Result<(Wrote, Option<CloseReason>)> {
        loop {
            if self.batch.is_none() && self.fed.0 == 0 {
                let (batch, closed) = core.take_batch();
                self.batch = batch;
                if self.batch.is_none() {
                    self.until = None;
                    return Ok((Wrote::All, closed));
                }
            }
            let wrote = match link {
                Link::Bytes(stream) => self.write_bytes(core, &mut **stream, cx)?,
                Link::Packets(stream) => {
                    let wrote = self.write_packets(core, &mut **stream, cx)?;
                    let more = stream.written() - mem::replace(&mut self.written, stream.written());
                    self.progress = self.progress.saturating_add(usize::try_from(more).unwrap_or(usize::MAX));
                    wrote
                }
            };
            if wrote == Wrote::Blocked {
                let closed = core.close_reason();
                let begins_to_end = closed.is_some() && !mem::replace(&mut self.last, closed.is_some());
                let goes_on = self.progress >= PROGRESS && !self.last;
                if self.until.is_none() || begins_to_end || goes_on {
                    self.until = Some(Instant::now() + deadline);
                    self.progress = 0;
                }
                return Ok((Wrote::Blocked, closed));
            }
        }
    }

    /// Whether something is being written.
    pub(super) fn busy(&self) -> bool {
        self.batch.is_some() || self.fed.0 > 0
    }

    /// Until when the client must have taken something.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.until
    }

    fn write_bytes(
        &mut self,
        core: &Core,
        stream: &mut dyn ByteStream,
        cx: &mut Context<'_>,
    ) -> io::Result<Wrote> {
        let Some(batch) = &mut self.batch else { return Ok(Wrote::All) };
        let bounds = &core.pool().settings().bounds;
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
                    core.outbox().wrote(bounds, packets, written, false);
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    core.outbox().wrote(bounds, 0, 0, true);
                    return Ok(Wrote::Blocked);
                }
            }
        }
        // TLS holds what does not fill a record; on a plain socket this is nothing.
        if stream.as_mut().poll_flush(cx)?.is_pending() {
            core.outbox().wrote(bounds, 0, 0, true);
            return Ok(Wrote::Blocked);
        }
        if let Some(batch) = self.batch.take() {
            batch.recycle();
        }
        Ok(Wrote::All)
    }

    fn write_packets(
        &mut self,
        core: &Core,
        stream: &mut dyn PacketStream,
        cx: &mut Context<'_>,
    ) -> io::Result<Wrote> {
        let bounds = &core.pool().settings().bounds;
        if let Some(batch) = &mut self.batch {
            while !batch.is_empty() {
                if stream.poll_ready(cx)?.is_pending() {
                    core.outbox().wrote(bounds, 0, 0, true);
                    return Ok(Wrote::Blocked);
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
            core.outbox().wrote(bounds, 0, 0, true);
            return Ok(Wrote::Blocked);
        }
        let (packets, bytes) = mem::take(&mut self.fed);
        self.progress += bytes;
        core.outbox().wrote(bounds, packets, bytes, false);
        Ok(Wrote::All)
    }
}
