//! A call that has started: its future, its deadline, and what its end needs.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::ConnectionContext;
use super::metrics::RouteLabel;
use crate::component::{CallFuture, ClientCall, Entry, Handler, Started};
use crate::error::Result;
use crate::serialize::Body;
use crate::util::panic::catch_panic;

/// The parts of a finished call that its report and its answer need.
pub(super) struct CallInfo {
    pub(super) label: RouteLabel,
    /// The id of a request; 0 for a notify.
    pub(super) mid: u64,
    pub(super) read_at: Instant,
}

/// A handler, a forward, or an error reply that waits for room in the outbox.
pub(super) struct RunningCall {
    pub(super) info: CallInfo,
    /// The call has been recorded as finished: only its error reply waits.
    pub(super) recorded: bool,
    pub(super) deadline: Instant,
    future: CallFuture<Handler>,
}

impl RunningCall {
    pub(super) fn new(info: CallInfo, future: CallFuture<Handler>, timeout: Duration) -> Self {
        Self { info, recorded: false, deadline: Instant::now() + timeout, future }
    }

    /// Polls the call. A panic is its error.
    pub(super) fn poll(&mut self, context: &ConnectionContext, cx: &mut Context<'_>) -> Poll<Result<()>> {
        poll(context.route(&self.info.label), &mut self.future, cx)
    }

    /// Drops the future. A panic in its destructors is logged.
    pub(super) fn discard(self, context: &ConnectionContext) -> CallInfo {
        discard(context.route(&self.info.label), self.future);
        self.info
    }
}

/// Starts a handler and polls it once. A panic is its error.
#[inline]
pub(super) fn start(entry: &Entry, client: ClientCall, body: &Body<'_>, cx: &mut Context<'_>) -> Started {
    let started = catch_panic(entry.route(), || entry.start_handler(client, body, cx));
    started.unwrap_or_else(|error| Started::Done(Err(error)))
}

/// Polls a call of `route`. A panic is its error.
pub(super) fn poll(route: &str, future: &mut CallFuture<Handler>, cx: &mut Context<'_>) -> Poll<Result<()>> {
    catch_panic(route, || future.as_mut().poll(cx)).unwrap_or_else(|error| Poll::Ready(Err(error)))
}

/// Drops a value of user code. A panic in its destructors is logged.
pub(super) fn discard<T>(what: &str, value: T) {
    let _ = catch_panic(what, || drop(value));
}
