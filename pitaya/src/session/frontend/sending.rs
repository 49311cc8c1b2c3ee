//! Sends packets of a session through its outbox.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::{CloseReason, FrontendSession};
use crate::error::{Error, Result, code, text};
use crate::session::outbox::{Batch, PushError, PushKey, TrySendError};
use crate::util::throttle::throttled;

impl FrontendSession {
    /// Encodes a packet directly into the outbox.
    pub(crate) fn encode<E>(
        &self,
        write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<Result<(), E>, TrySendError> {
        self.outbox.encode(&self.pool.settings().outbox, write)
    }

    /// Adds a push of a sender that waits if the outbox is full. `own_serializer` tells whether the push is in the session's
    /// own serializer.
    pub(crate) fn try_send(
        &self,
        packet: &Bytes,
        key: PushKey,
        own_serializer: bool,
    ) -> Result<(), TrySendError> {
        if !self.outbox.try_send(&self.pool.settings().outbox, packet, key, own_serializer)? {
            self.lost(1);
        }
        Ok(())
    }

    /// Waits until there may be space for `more` bytes, or the session is closed.
    pub(crate) async fn wait_for_capacity(&self, more: usize) {
        let since = Instant::now();
        poll_fn(|cx| self.poll_capacity(cx, more, since)).await;
    }

    /// Is ready when there may be space for `more` bytes, or when the session is closed. Records the wait, which began
    /// at `since`.
    pub(crate) fn poll_capacity(&self, cx: &mut Context<'_>, more: usize, since: Instant) -> Poll<()> {
        let settings = self.pool.settings();
        ready!(self.outbox.poll_capacity(cx, &settings.outbox, more));
        settings.meters.wait.record_time(since.elapsed());
        Poll::Ready(())
    }

    /// Takes the packets that the writer is to write.
    pub(crate) fn take_batch(&self) -> (Option<Batch>, Option<CloseReason>) {
        let (batch, closed) = self.outbox.take(&self.pool.settings().outbox);
        if let Some(batch) = &batch {
            let settings = self.pool.settings();
            if !settings.meters.capacity.is_empty() {
                let free = settings.outbox.messages.saturating_sub(batch.len());
                settings.meters.capacity.record(free as f64);
            }
        }
        (batch, closed)
    }

    /// Adds a push of a sender that does not wait. A full outbox affects this client only. `own_serializer` tells whether the
    /// push is in the session's own serializer.
    pub(crate) fn push(&self, route: &str, packet: &Bytes, own_serializer: bool) -> Result<()> {
        let settings = self.pool.settings();
        let key = PushKey::of_route(route);
        let error = match self.outbox.push(&settings.outbox, packet, key, own_serializer) {
            Ok(0) => return Ok(()),
            // As a push that waited for the handshake.
            Err(PushError::OtherSerializer) => {
                self.lost(1);
                return Ok(());
            }
            Ok(replaced) => {
                settings.meters.replaced.record(f64::from(replaced));
                return Ok(());
            }
            Err(error) => error,
        };
        if error != PushError::Closed {
            settings.meters.dropped.record(1.0);
        }
        if error == PushError::TooSlow {
            throttled!(
                self.pool.log(),
                warn,
                "slow clients",
                session = self.id,
                "disconnected a client that reads too slowly for its pushes"
            );
            self.close(CloseReason::TooSlow);
        }
        Err(match error {
            PushError::Dropped => Error::new(code::UNAVAILABLE, text::OUTBOX_FULL),
            PushError::Closed | PushError::TooSlow | PushError::OtherSerializer => {
                Error::new(code::CLOSED, text::BROKEN_PIPE)
            }
        })
    }
}
