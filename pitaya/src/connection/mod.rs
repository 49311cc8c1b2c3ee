//! Connections: one task per client.
//!
//! Each poll of the task does everything that can be done now, in a fixed order ([`Connection::poll`]). The running
//! handler comes last, because it shares the task's cooperative budget and must not starve the socket and the timers.
//!
//! | file | job |
//! |---|---|
//! | `context.rs` | what the connections of an app share; the set-up of a connection |
//! | `input.rs`, `output.rs` | from the link to packets; from the outbox to the link |
//! | `packet_handler.rs` | what a packet does: filters, handshake, limits, lane |
//! | `machine.rs` | the phases and deadlines of the protocol, without I/O |
//! | `lane.rs`, `running_call.rs`, `concurrent.rs` | the calls of a session |
//! | `answer.rs` | replies that no handler encodes |
//! | `recode.rs` | forwarded messages and their replies, for clients with a serializer of their own |
//! | `closing.rs`, `linger.rs` | the end of a session, and of its socket |
//!
//! A connection at rest holds no buffer: it reads into the buffer of its thread, and a batch of replies borrows one
//! too.

mod answer;
mod call_limits;
mod closing;
mod concurrent;
mod context;
mod failure_log;
mod handshake;
mod input;
mod lane;
mod linger;
pub(crate) mod machine;
mod metrics;
mod output;
mod packet_handler;
mod recode;
mod running_call;

pub use call_limits::CallLimit;
pub(crate) use call_limits::CallLimits;
pub(crate) use context::{ConnectionContext, ConnectionLimits};
pub(crate) use failure_log::FailureLog;
pub use handshake::Refusal;
pub(crate) use handshake::{Accept, Authenticate, HandshakePolicy, Validator, authenticate};
pub(crate) use metrics::ConnectionMetrics;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep};

use self::input::{Fill, Input};
use self::machine::Tick;
use self::output::Output;
use self::packet_handler::PacketHandler;
use crate::acceptor::{Filter, Link};
use crate::session::{CloseReason, FrontendSession};
use crate::util::panic::catch_panic;
use crate::wire::packet::PacketError;

/// How many handlers of short messages may start before the task yields. A long body counts as several.
const WORK_PER_POLL: usize = 64;

/// A client's connection, after its set-up.
pub(crate) struct Connection {
    link: Link,
    input: Input,
    packets: PacketHandler,
    output: Output,
    timer: Pin<Box<Sleep>>,
    /// When `timer` fires.
    armed: Instant,
}

/// Why [`Connection::read`] stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// The link has no more. It wakes the task when it does.
    Pending,
    /// The link may have more.
    Again,
    /// The session takes no packets now.
    Paused,
}

impl Connection {
    pub(crate) fn new(
        context: Arc<ConnectionContext>,
        session: Arc<FrontendSession>,
        link: Link,
        filters: Vec<Box<dyn Filter>>,
        accepted: Instant,
    ) -> Self {
        let packets = PacketHandler::new(context, session, filters, accepted);
        let armed = packets.machine.deadline().unwrap_or(accepted);
        Self {
            link,
            input: Input::new(packets.machine.max_body(), accepted),
            packets,
            output: Output::default(),
            timer: Box::pin(tokio::time::sleep_until(armed)),
            armed,
        }
    }

    /// Serves the client until the session and its last handler have ended. `counted` is dropped with the socket.
    pub(crate) async fn run(mut self, counted: impl Send) {
        self.packets.session.serve();
        let reason = poll_fn(|cx| self.guarded_poll(cx)).await;
        self.packets.session.close(reason.unwrap_or(CloseReason::Server)); // if the client was first
        // Boxed, so that the future of a running connection has not the size of an ending one.
        Box::pin(self.end(reason, counted)).await;
    }

    /// Polls. Returns `None` after a panic in user code: a filter, a link, a reporter. It has been logged.
    fn guarded_poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<CloseReason>> {
        match catch_panic("a connection", || self.poll(cx)) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    }

    /// Does one round: write, read, timers, handlers, write. Returns why the connection closes.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let now = Instant::now();
        if let Some(reason) = self.packets.session.close_reason() {
            if self.packets.session.pool().is_killed() {
                return Poll::Ready(reason);
            }
            self.packets.machine.close();
        }
        // Polled first, because it needs a part of the cooperative budget too.
        let due = self.timer.as_mut().poll(cx).is_ready();
        if let Poll::Ready(reason) = self.write(cx) {
            return Poll::Ready(reason);
        }
        self.packets.poll_authentication(cx);
        let reading = self.read(now, cx);
        self.input.end_poll();
        let reading = reading.unwrap_or_else(|reason| {
            self.packets.session.close(reason);
            Reading::Paused
        });
        // Deadlines are checked after reading: a server that was held up must not blame its clients.
        self.check_deadlines(now, due);
        let lane = &mut self.packets.lane;
        lane.run(WORK_PER_POLL, cx);
        // The running handler is checked after it was polled: it may have finished in time.
        if due && lane.expire(now, cx) {
            lane.run(WORK_PER_POLL, cx);
        }
        if let Poll::Ready(reason) = self.write(cx) {
            return Poll::Ready(reason);
        }
        self.park(reading, cx);
        Poll::Pending
    }

    /// Reads packets and handles each, until the link has no more or the session takes no more.
    fn read(&mut self, now: Instant, cx: &mut Context<'_>) -> Result<Reading, CloseReason> {
        while self.packets.takes_packets() {
            let max_body = self.packets.machine.max_body();
            match self.input.next(max_body) {
                Ok(Some(packet)) => {
                    self.packets.handle(packet, now, cx)?;
                    continue;
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(session = self.packets.session.id(), %error, "invalid packet");
                    let too_large = error == PacketError::TooLarge;
                    return Err(if too_large { CloseReason::TooLarge } else { CloseReason::Protocol });
                }
            }
            let (reading, partial) = match self.input.fill(&mut self.link, max_body, now, cx) {
                Fill::Read => continue,
                Fill::Pending { partial } => (Reading::Pending, partial),
                Fill::Enough { partial } => (Reading::Again, partial),
                Fill::Closed(reason) => return Err(reason),
            };
            self.packets.machine.partial(partial, now);
            return Ok(reading);
        }
        if self.packets.waits_for_lane() {
            self.input.read_ahead(&mut self.link, now, cx)?;
        }
        Ok(Reading::Paused)
    }

    /// Handles the deadlines that are over.
    fn check_deadlines(&mut self, now: Instant, due: bool) {
        let takes_packets = self.packets.takes_packets();
        let PacketHandler { session, machine, .. } = &mut self.packets;
        machine.pause(!takes_packets && machine.working(), now);
        if !due {
            return;
        }
        match machine.tick(now) {
            Tick::Nothing => {}
            Tick::Heartbeat => session.outbox().send_heartbeat(&session.pool().settings().heartbeat),
            Tick::Close(reason, why) => {
                tracing::debug!(session = session.id(), why, "closing");
                session.close(reason);
            }
        }
        if self.output.deadline().is_some_and(|deadline| now >= deadline) {
            tracing::debug!(session = session.id(), "closing: the client reads too slowly");
            session.close(CloseReason::TooSlow);
        }
        self.armed = now;
    }

    /// Writes what the outbox holds. Ready when nothing more is to be done for this client.
    fn write(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let PacketHandler { context, session, .. } = &self.packets;
        match self.output.write(session, &mut self.link, context.limits.write, cx) {
            // The rest is written while the session ends.
            Ok((_, Some(reason))) => Poll::Ready(reason),
            Ok((_, None)) => Poll::Pending,
            Err(error) => {
                tracing::debug!(session = session.id(), %error, "writing failed");
                Poll::Ready(session.close_reason().unwrap_or(CloseReason::Client))
            }
        }
    }

    /// Ends a round: registers for the outbox and the timer, or wakes the task if there is more to do now.
    fn park(&mut self, reading: Reading, cx: &mut Context<'_>) {
        let PacketHandler { session, lane, .. } = &mut self.packets;
        let exhausted = lane.work() >= WORK_PER_POLL;
        lane.reset_work();
        let closing = session.close_reason().is_some();
        let parked = session.outbox().park(cx, self.output.busy(), closing);
        let again = match reading {
            Reading::Pending => false,
            Reading::Again => true,
            // The reason may be gone by now: the lane has emptied, or a handler has finished.
            Reading::Paused => self.packets.takes_packets(),
        };
        if exhausted {
            yield_now(cx);
        } else if again || !parked {
            cx.waker().wake_by_ref();
        }
        self.arm(cx);
    }

    /// Sets the timer, unless it fires early enough.
    fn arm(&mut self, cx: &mut Context<'_>) {
        let PacketHandler { machine, lane, .. } = &self.packets;
        let deadlines = [machine.deadline(), lane.deadline(), self.output.deadline()];
        let Some(next) = deadlines.into_iter().flatten().min() else { return };
        if next < self.armed || self.timer.is_elapsed() {
            self.armed = next;
            self.timer.as_mut().reset(next);
            if self.timer.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
    }
}

/// Wakes the task after the other tasks of its thread and the sockets had their turn.
///
/// A task that only wakes itself would run up to 61 times before the runtime polls the sockets.
fn yield_now(cx: &mut Context<'_>) {
    let yielded = pin!(tokio::task::yield_now());
    if yielded.poll(cx).is_ready() {
        cx.waker().wake_by_ref();
    }
}
