//! Calls of `#[concurrent]` routes: each is a task, and starts when its message arrives.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use super::ConnectionContext;
use super::answer::{send_error, try_send_error};
use super::lane::{InboundMessage, Lane, WORK_BYTES, log_slow_handler, refuse, timed_out};
use super::metrics::RouteLabel;
use super::running_call::discard;
use crate::component::{CallFuture, Handler, Target};
use crate::error::Result;
use crate::serialize::Body;
use crate::session::FrontendSession;
use crate::util::panic::{catch_panic, panic_error};

impl Lane {
    /// Spawns the call of a message that waits for no other.
    pub(super) fn spawn_concurrent(&mut self, message: InboundMessage, body: &Body<'_>) {
        self.work += body.as_slice().len() / WORK_BYTES;
        let (context, session) = (Arc::clone(&self.context), Arc::clone(&self.session));
        let InboundMessage { target, mid, read_at, waited } = message;
        let running = session.begin_concurrent_call();
        // The message is decoded here, because its body is only borrowed. Decoding may run user code.
        let (label, started) = match target {
            Target::Local(id) => {
                let entry = context.entry(id);
                if waited {
                    context.metrics.record_queue_delay(id, read_at);
                } else {
                    context.metrics.record_no_delay(id);
                }
                let started = refuse(&session, entry, mid).map_or_else(
                    || {
                        let client = self.client(running.id(), mid, id, entry);
                        catch_panic(entry.route(), || entry.call_handler(client, body))
                    },
                    Err,
                );
                (RouteLabel::Local(id), started)
            }
            Target::Remote(route) => {
                let future = self.forward(Arc::clone(&route), mid, body);
                (RouteLabel::Remote(route), Ok(future))
            }
            Target::Unresolved(error) => (RouteLabel::Unresolved, Err(error)),
        };
        let guard = ConcurrentGuard::new(context, read_at);
        let task = async move {
            let (context, session) = (&guard.0, &session);
            let route = context.route(&label);
            let result = match started {
                Ok(future) => with_timeout(context.limits.handler, route, session, future).await,
                Err(error) => Err(error),
            };
            context.metrics.record_call(&label, read_at, result.as_ref().err());
            if let Err(error) = result {
                context.failure_log.log(route, session.id(), &error);
                if mid != 0 && !try_send_error(session, mid, &error) {
                    send_error(session, mid, &error).await;
                }
            }
            drop(running);
        };
        self.concurrent.get_or_insert_default().spawn(task);
    }
}

/// Counts a concurrent call while it exists.
struct ConcurrentGuard(Arc<ConnectionContext>);

impl ConcurrentGuard {
    fn new(context: Arc<ConnectionContext>, read_at: Instant) -> Self {
        context.metrics.concurrent_started(read_at);
        Self(context)
    }
}

impl Drop for ConcurrentGuard {
    fn drop(&mut self) {
        self.0.metrics.concurrent_ended();
    }
}

/// Awaits a call for at most `limit`. A panic is its error.
async fn with_timeout(
    limit: Duration,
    route: &str,
    session: &FrontendSession,
    mut future: CallFuture<Handler>,
) -> Result<()> {
    // The task may be polled once more before the connection drops it.
    let work =
        poll_fn(|cx| if session.pool().is_killed() { Poll::Pending } else { future.as_mut().poll(cx) });
    match tokio::time::timeout(limit, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(panic_error(route, &*panic)),
        Err(_) => {
            log_slow_handler(session, route);
            discard(route, future);
            Err(timed_out())
        }
    }
}
