//! How a session is closed, and its close callbacks.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{CloseReason, FrontendSession};
use crate::session::Session;
use crate::session::callback::OnceCallback;
use crate::util::panic::catch_panic_async;
use crate::util::throttle::throttled;

impl FrontendSession {
    /// Closes the session permanently. Returns `false` if it was closed already. Never waits.
    pub(crate) fn close(&self, reason: CloseReason) -> bool {
        self.close_with(reason, None)
    }

    /// Sends a kick packet in its turn, then closes.
    pub(crate) fn kick(&self, reason: CloseReason) -> bool {
        self.close_with(reason, Some(&self.pool.settings().kick))
    }

    /// Answers the handshake with a refusal, and closes.
    pub(crate) fn refuse(&self, reply: &Bytes) {
        self.closed(self.outbox.refuse_handshake(reply, CloseReason::Refused));
    }

    fn close_with(&self, reason: CloseReason, last: Option<&Bytes>) -> bool {
        self.closed(self.outbox.close(reason, last))
    }

    /// Handles a closed outbox, which has dropped so many packets; `None` if it was closed before.
    fn closed(&self, discarded: Option<usize>) -> bool {
        let Some(discarded) = discarded else { return false };
        self.lost(discarded);
        self.pool.forget(self);
        true
    }

    /// Drops the packets that were not written.
    pub(crate) fn abandon(&self) {
        self.lost(self.outbox.depth().0);
    }

    /// Counts messages that will never be written.
    pub(super) fn lost(&self, messages: usize) {
        if messages > 0 {
            #[expect(clippy::cast_precision_loss, reason = "an outbox is short")]
            self.pool.settings().meters.unwritten.record(messages as f64);
        }
    }

    pub(crate) fn close_reason(&self) -> Option<CloseReason> {
        self.outbox.close_reason()
    }

    /// Adds a close callback. Returns its id; `None` if the session has ended, so that it would never run.
    pub(crate) fn on_close(&self, callback: OnceCallback) -> Option<u64> {
        let mut state = self.state();
        let state = &mut *state;
        let list = state.on_close.as_mut()?;
        state.last_callback += 1;
        list.insert(state.last_callback, callback);
        Some(state.last_callback)
    }

    /// The number of close callbacks that wait.
    #[cfg(test)]
    pub(crate) fn close_callbacks(&self) -> usize {
        self.state().on_close.as_ref().map_or(0, |list| list.len())
    }

    /// Removes a close callback, unless it runs already.
    pub(crate) fn remove_on_close(&self, id: u64) {
        let removed = self.state().on_close.as_mut().and_then(|list| list.remove(&id));
        drop(removed); // with no lock held: what it has captured may lead anywhere
    }

    /// Runs the close callbacks, the session's and then the pool's, each for at most `limit`. Called once, by the
    /// connection, after the last handler.
    pub(crate) async fn run_close_callbacks(self: &Arc<Self>, limit: Duration) {
        loop {
            let own = {
                let mut state = self.state();
                match state.on_close.as_mut() {
                    Some(list) if !list.is_empty() => mem::take(list),
                    Some(_) => {
                        state.on_close = None;
                        break;
                    }
                    None => return,
                }
            };
            for callback in own.into_values() {
                let session = Session::new(Arc::clone(self), 0);
                self.on_closed(limit, || callback(session)).await;
            }
        }
        for callback in self.pool.callbacks().on_close.all().iter() {
            let session = Session::new(Arc::clone(self), 0);
            self.on_closed(limit, || callback(session)).await;
        }
    }

    /// Runs one close callback. The next one runs also after a panic, which has been logged, and after the time
    /// limit.
    async fn on_closed(&self, limit: Duration, callback: impl FnOnce() -> BoxFuture<'static, ()>) {
        if tokio::time::timeout(limit, catch_panic_async("on_close", callback)).await.is_err() {
            throttled!(
                self.pool.log(),
                warn,
                "slow close callbacks",
                session = self.id,
                ?limit,
                "a close callback took too long and was cut off"
            );
        }
    }
}
