//! Sends packets of a session through its outbox.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::{CloseReason, FrontendSession};
use crate::error::{Error, Result, code, text};
use crate::session::outbox::{Batch, Refused, route_hash};
use crate::util::throttle::throttled;

impl FrontendSession {
    /// Encodes a packet directly into the outbox.
    pub(crate) fn encode<E>(
        &self,
        write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<Result<(), E>, Refused> {
        self.outbox.encode(&self.pool.settings().bounds, write)
    }

    /// Adds a packet of a sender that waits if the outbox is full.
    pub(crate) fn offer(&self, packet: &Bytes, push: u64) -> Result<(), Refused> {
        self.outbox.offer(&self.pool.settings().bounds, packet, push)
    }

    /// Waits until there may be room for `more` bytes, or the session is closed.
    pub(crate) async fn room(&self, more: usize) {
        let since = Instant::now();
        poll_fn(|cx| self.poll_room(cx, more, since)).await;
    }

    /// Is ready when there may be room for `more` bytes, or when the session is closed. Records the wait, which began
    /// at `since`.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>, more: usize, since: Instant) -> Poll<()> {
        let settings = self.pool.settings();
        ready!(self.outbox.poll_room(cx, &settings.bounds, more));
        settings.meters.wait.record_time(since.elapsed());
        Poll::Ready(())
    }

    /// Takes the packets that the writer is to write.
    pub(crate) fn take_batch(&self) -> (Option<Batch>, Option<CloseReason>) {
        let (batch, closed) = self.outbox.take(&self.pool.settings().bounds);
        if let Some(batch) = &batch {
            let settings = self.pool.settings();
            if !settings.meters.capacity.is_empty() {
                let free = settings.bounds.messages.saturating_sub(batch.len());
                settings.meters.capacity.record(free as f64);
            }
        }
        (batch, closed)
    }

    /// Adds a packet of a sender that does not wait. A full outbox affects this client only.
    pub(crate) fn push(&self, route: &str, packet: &Bytes) -> Result<()> {
        let settings = self.pool.settings();
        let (taken, replaced) = self.outbox.push(&settings.bounds, packet, route_hash(route));
        if replaced > 0 {
            settings.meters.replaced.record(f64::from(replaced));
        }
        match taken {
            Ok(()) => Ok(()),
            Err(refused) => {
                if refused != Refused::Closed {
                    settings.meters.dropped.record(1.0);
                }
                if refused == Refused::TooSlow {
                    throttled!(
                        self.pool.log(),
                        warn,
                        "slow clients",
                        session = self.id,
                        "disconnected a client that reads too slowly for its pushes"
                    );
                    self.close(CloseReason::TooSlow);
                }
                Err(match refused {
                    Refused::Dropped | Refused::Full => Error::new(code::UNAVAILABLE, text::OUTBOX_FULL),
                    Refused::Closed | Refused::TooSlow => Error::new(code::CLOSED, text::BROKEN_PIPE),
                })
            }
        }
    }
}
