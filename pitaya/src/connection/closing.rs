//! The end of a closed session: the socket is flushed while its last handler and its callbacks run.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use super::Connection;
use super::lane::Lane;
use super::linger;
use super::output::{Output, Wrote};
use super::packet_handler::PacketHandler;
use super::running_call::discard;
use crate::acceptor::Link;
use crate::session::{CloseReason, FrontendSession};
use crate::util::panic::panic_error;
use crate::util::throttle::throttled;

impl Connection {
    /// Ends a closed session. The socket is flushed and closed while the handlers finish and the callbacks run: these
    /// never wait for the client.
    pub(super) async fn end(self, reason: Option<CloseReason>, counted: impl Send) {
        let Self { packets, input, mut link, mut output, .. } = self;
        let PacketHandler { context, session, mut lane, filters, authentication, .. } = packets;
        let _end = EndOnDrop(&session);
        drop(input);
        discard("a wrapper", filters);
        if let Some(authentication) = authentication {
            discard("the authentication hook", authentication);
        }
        context.closed(&session, lane.drop_queued());
        let close_link = async {
            if reason.is_some_and(CloseReason::flushes) {
                flush(&mut output, &session, &mut link, context.limits.write).await;
            }
            drop(output);
            session.abandon();
            let reason = reason.map(|reason| session.close_reason().unwrap_or(reason));
            if let Some(reason) = reason.filter(|reason| linger::applies_to(&link, *reason)) {
                linger::close(link, reason).await;
            } else {
                discard("a link", link);
            }
            drop(counted);
        };
        if session.pool().is_killed() {
            return lane.abort();
        }
        let end_session = async {
            finish_calls(&mut lane).await;
            session.run_close_callbacks(context.limits.handler).await;
            session.end();
        };
        tokio::select! {
            biased; // nothing of a killed session is polled again
            () = context.kill.cancelled() => {
                throttled!(
                    session.pool().log(),
                    warn,
                    "sessions cut off",
                    session = session.id(),
                    "aborted a session: it did not end before the shutdown timeout"
                );
            }
            _ = async { tokio::join!(close_link, end_session) } => {}
        }
        lane.abort();
    }
}

/// Marks a session as ended when its connection is dropped.
struct EndOnDrop<'a>(&'a FrontendSession);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Writes what the outbox of a closed session holds, until its write deadline.
async fn flush(output: &mut Output, session: &FrontendSession, link: &mut Link, limit: Duration) {
    let write = poll_fn(|cx| match output.write(session, link, limit, cx) {
        Ok((Wrote::Blocked | Wrote::Yielded, _)) => Poll::Pending,
        Ok((Wrote::All, _)) | Err(_) => Poll::Ready(()),
    });
    let write = AssertUnwindSafe(write).catch_unwind();
    if let Ok(Err(panic)) = tokio::time::timeout(limit, write).await {
        panic_error("a link", &*panic);
    }
}

/// Waits for the calls of a closed session, each until its deadline.
async fn finish_calls(lane: &mut Lane) {
    while !lane.is_idle() {
        let deadline = lane.deadline();
        let step = poll_fn(|cx| {
            lane.run(usize::MAX, cx);
            if lane.is_idle() || lane.deadline() != deadline { Poll::Ready(()) } else { Poll::Pending }
        });
        match deadline {
            None => step.await,
            Some(deadline) => {
                if tokio::time::timeout_at(deadline, step).await.is_err() {
                    poll_fn(|cx| {
                        lane.expire(Instant::now(), cx);
                        Poll::Ready(())
                    })
                    .await;
                }
            }
        }
    }
}
