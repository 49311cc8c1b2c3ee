//! Connections: one task per client.
//!
//! The task never waits for one thing alone. Each poll looks at the timers, the outbox, the writer, the reader
//! and last at the running handler, which shares the task's cooperative budget and must not starve the others;
//! then the writer once more. What to do about packets and time is decided by a pure state machine
//! ([`machine`]); the messages of the session run in its [`lane`].
//!
//! A connection at rest holds no buffer: it reads into the buffer of its thread, and a batch of replies
//! borrows one too.

mod call_limits;
mod context;
mod failure_log;
mod handshake;
mod input;
mod lane;
mod linger;
pub(crate) mod machine;
mod metrics;
mod output;

pub use call_limits::CallLimit;
pub(crate) use call_limits::CallLimits;
pub(crate) use context::{ConnectionContext, ConnectionLimits};
pub(crate) use failure_log::FailureLog;
pub use handshake::Refusal;
pub(crate) use handshake::{Authenticate, HandshakePolicy, Validator, authenticate};
pub(crate) use metrics::ConnectionMetrics;

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, Sleep};

use self::input::Read;
use self::lane::{InboundMessage, Lane, Scope};
use self::machine::{Machine, Step, Tick};
use self::output::{Output, Wrote};
use crate::acceptor::{DropReason, Filter, Link, MessageTooLong};
use crate::dispatch::{self, Target};
use crate::serialize::Body;
use crate::session::{CloseReason, Core, Session};
use crate::util::panic::panic_error;
use crate::util::throttle::throttled;
use crate::wire::{handshake as wire, message};

/// How many handlers of short messages may start before the task lets others run; long bodies count more.
const WORK_PER_POLL: usize = 64;

/// A client's connection, after its set-up.
pub(crate) struct Connection {
    context: Arc<ConnectionContext>,
    core: Arc<Core>,
    link: Link,
    filters: Vec<Box<dyn Filter>>,
    machine: Machine,
    /// A filter refused the packet that is handled now.
    refused: bool,
    /// Of the calls of this connection.
    call_limits: call_limits::Own,
    /// What was read and is not yet used, and since when.
    rest: BytesMut,
    rest_since: Instant,
    /// The same of a link that brings whole packets.
    early: VecDeque<Bytes>,
    lane: Lane,
    authentication: Option<BoxFuture<'static, Result<(), Refusal>>>,
    output: Output,
    timer: Pin<Box<Sleep>>,
    armed: Instant,
}

impl Connection {
    pub(crate) fn new(
        context: Arc<ConnectionContext>,
        core: Arc<Core>,
        link: Link,
        filters: Vec<Box<dyn Filter>>,
        accepted: Instant,
    ) -> Self {
        let machine = Machine::new(context.limits.machine, accepted);
        let armed = machine.deadline().unwrap_or(accepted);
        let session = context.dispatcher.scope(&core);
        Self {
            context,
            core,
            link,
            filters,
            machine,
            refused: false,
            call_limits: None,
            rest: BytesMut::new(),
            rest_since: accepted,
            early: VecDeque::new(),
            lane: Lane::new(session),
            authentication: None,
            output: Output::default(),
            timer: Box::pin(tokio::time::sleep_until(armed)),
            armed,
        }
    }

    /// Serves the client until the session is over, its last handler included. `counted` goes with the socket.
    pub(crate) async fn run(mut self, counted: impl Send) {
        self.core.serve();
        let reason = poll_fn(|cx| self.contained_poll(cx)).await;
        self.core.close(reason.unwrap_or(CloseReason::Server)); // if the client was first
        // What comes after is boxed: it does not size the steady state.
        Box::pin(self.end(reason, counted)).await;
    }

    /// Polls; `None` is a panic in what users made: a filter, a link, a reporter. It has been logged.
    fn contained_poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<CloseReason>> {
        match catch_unwind(AssertUnwindSafe(|| self.poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(panic) => {
                panic_error("a connection", &*panic);
                Poll::Ready(None)
            }
        }
    }

    /// Ends a closed session. The socket is flushed and closed while the handlers end and the callbacks run: these
    /// never wait for the client.
    async fn end(self, reason: Option<CloseReason>, counted: impl Send) {
        let Self {
            context, core, mut lane, mut link, authentication, rest, early, filters, mut output, ..
        } = self;
        let _ended = EndOnDrop(&core);
        drop((rest, early));
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(filters))) {
            panic_error("a wrapper", &*panic);
        }
        if let Some(authentication) = authentication {
            dispatch::discard("the authentication hook", authentication);
        }
        context.closed(&core, lane.drop_waiting());
        let close = async {
            if reason.is_some_and(CloseReason::flushes) {
                flush(&mut output, &core, &mut link, context.limits.write).await;
            }
            drop(output);
            core.abandon();
            let reason = reason.map(|reason| core.close_reason().unwrap_or(reason));
            if let Some(reason) = reason.filter(|reason| linger::applies_to(&link, *reason)) {
                linger::close(link, reason).await;
            } else if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(link))) {
                panic_error("a link", &*panic);
            }
            drop(counted);
        };
        let scope = Scope { context: &context, core: &core };
        if core.pool().is_killed() {
            return lane.abort(scope);
        }
        let rest = async {
            let callbacks = async {
                finish(scope, &mut lane).await;
                core.run_close_callbacks(context.limits.handler).await;
                core.end();
            };
            tokio::join!(close, callbacks);
        };
        tokio::select! {
            biased; // who is cut off does nothing more, though it could
            () = context.kill.cancelled() => {
                throttled!(
                    core.pool().log(),
                    warn,
                    "sessions cut off",
                    session = core.id(),
                    "a session was cut off: the server does not wait for it any longer"
                );
            }
            () = rest => {}
        }
        lane.abort(scope);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let now = Instant::now();
        if let Some(reason) = self.core.close_reason() {
            if self.core.pool().is_killed() {
                return Poll::Ready(reason);
            }
            self.machine.close();
        }
        // Asked first, because it needs a part of the cooperative budget too.
        let due = self.timer.as_mut().poll(cx).is_ready();
        if let Poll::Ready(reason) = self.write(cx) {
            return Poll::Ready(reason);
        }
        self.authenticate(cx);
        let read = self.read(now, cx).unwrap_or_else(|reason| {
            self.core.close(reason);
            Read::Stopped
        });
        // Time is result after the link was asked: a server that was held up must not blame its clients for it.
        self.tick(now, due);
        let scope = Scope { context: &self.context, core: &self.core };
        self.lane.run(scope, WORK_PER_POLL, cx);
        // And after the handler had its turn, which may have ended in time too.
        if due && self.lane.tick(scope, now, cx) {
            self.lane.run(scope, WORK_PER_POLL, cx);
        }
        if let Poll::Ready(reason) = self.write(cx) {
            return Poll::Ready(reason);
        }
        let tired = self.lane.work() >= WORK_PER_POLL;
        self.lane.reset_work();
        let closing = self.core.close_reason().is_some();
        let parked = self.core.outbox().park(cx, self.output.busy(), closing);
        // Reading may have stopped for a reason that is gone by now: the lane has emptied, a handler has ended.
        let again = read == Read::More || (read == Read::Stopped && self.reads());
        if tired {
            yield_to_others(cx);
        } else if again || !parked {
            cx.waker().wake_by_ref();
        }
        self.arm(cx);
        Poll::Pending
    }

    // ---- time

    fn tick(&mut self, now: Instant, due: bool) {
        let reads = self.reads();
        self.machine.pause(!reads && self.machine.working(), now);
        if !due {
            return;
        }
        match self.machine.tick(now) {
            Tick::Nothing => {}
            Tick::Heartbeat => self.core.outbox().heartbeat(&self.core.pool().settings().heartbeat),
            Tick::Close(reason, why) => {
                tracing::debug!(session = self.core.id(), why, "closing");
                self.core.close(reason);
            }
        }
        if self.output.deadline().is_some_and(|until| now >= until) {
            tracing::debug!(session = self.core.id(), "the client takes nothing: closing");
            self.core.close(CloseReason::TooSlow);
        }
        self.armed = now;
    }

    /// Sets the timer, unless it fires early enough as it is.
    fn arm(&mut self, cx: &mut Context<'_>) {
        let others = [self.output.deadline(), self.lane.deadline()];
        let Some(next) = others.into_iter().chain([self.machine.deadline()]).flatten().min() else { return };
        if next < self.armed || self.timer.is_elapsed() {
            self.armed = next;
            self.timer.as_mut().reset(next);
            if self.timer.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
    }

    // ---- writing

    /// Ready when nothing more is to be done for this client.
    fn write(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        match self.output.write(&self.core, &mut self.link, self.context.limits.write, cx) {
            // What is left is written while the session ends.
            Ok((_, Some(reason))) => Poll::Ready(reason),
            Ok((_, None)) => Poll::Pending,
            Err(error) => {
                tracing::debug!(session = self.core.id(), %error, "writing failed");
                Poll::Ready(self.core.close_reason().unwrap_or(CloseReason::Client))
            }
        }
    }

    // ---- the handshake

    fn authenticate(&mut self, cx: &mut Context<'_>) {
        let Some(authentication) = &mut self.authentication else { return };
        if let Poll::Ready(result) = authentication.as_mut().poll(cx) {
            self.authentication = None;
            self.on_auth_result(result);
        }
    }

    fn on_auth_result(&mut self, result: Result<(), Refusal>) {
        match result {
            Ok(()) => {
                self.machine.handshake_accepted();
                self.core.outbox().accepted(&self.context.handshake_policy.accept);
            }
            Err(refusal) => {
                self.core.refuse(&self.context.handshake_policy.refuse(refusal));
            }
        }
    }

    fn handshake(&mut self, body: &[u8], cx: &mut Context<'_>) {
        let request = match wire::Request::parse(body) {
            Ok(request) => Arc::new(request),
            Err(error) => {
                tracing::debug!(session = self.core.id(), %error, "bad handshake");
                return self.on_auth_result(Err(Refusal::new()));
            }
        };
        if let Err(refusal) = self.context.handshake_policy.validate(self.core.id(), &request) {
            return self.on_auth_result(Err(refusal));
        }
        self.core.set_handshake(Arc::clone(&request));
        let session = Session::new(Arc::clone(&self.core), 0);
        match self.context.handshake_policy.start(session, &request) {
            None => self.on_auth_result(Ok(())),
            Some(authentication) => {
                self.authentication = Some(authentication);
                self.authenticate(cx);
            }
        }
    }

    // ---- reading

    /// Whether we read now.
    fn reads(&self) -> bool {
        self.authentication.is_none()
            && !self.lane.full(&self.context.limits)
            && self.lane.work() < WORK_PER_POLL
            && self.core.close_reason().is_none()
    }

    /// One whole packet, with the times when it was read and now. `Err` closes the connection.
    fn packet(
        &mut self,
        packet: input::Packet<'_>,
        times: (Instant, Instant),
        cx: &mut Context<'_>,
    ) -> Result<(), CloseReason> {
        match self.machine.packet(packet.kind, times.1) {
            Step::Nothing => Ok(()),
            Step::Handshake => {
                self.handshake(packet.body.as_slice(), cx);
                Ok(())
            }
            Step::Message => self.message(&packet.body, times, cx),
            Step::Violation(why) => {
                tracing::debug!(session = self.core.id(), why, "protocol violation");
                Err(CloseReason::Protocol)
            }
        }
    }

    /// Whether a message is over a limit; `Some(true)` if a request is answered.
    #[inline]
    fn over_a_limit(&mut self, target: &Target, now: Instant) -> Option<bool> {
        if std::mem::take(&mut self.refused) {
            return Some(true);
        }
        let call_limits = self.context.call_limits.as_ref()?;
        let route = match target {
            Target::Local(id) => self.context.dispatcher.entry(*id).route(),
            Target::Remote(route) => route,
            Target::Unresolved(_) => return None,
        };
        let over = call_limits.over(&mut self.call_limits, &self.core, route, now);
        if over.is_some() {
            self.context.metrics.filtered(DropReason::RateLimit);
        }
        over
    }

    fn message(
        &mut self,
        body: &Body<'_>,
        (arrived, now): (Instant, Instant),
        cx: &mut Context<'_>,
    ) -> Result<(), CloseReason> {
        let bad = |error: &dyn std::fmt::Display| {
            tracing::debug!(%error, "undecodable message");
            CloseReason::Protocol
        };
        let mut message = message::decode(body.as_slice()).map_err(|e| bad(&e))?;
        let mid = match message.kind {
            message::Kind::Request => message.id,
            message::Kind::Notify => 0,
            message::Kind::Response | message::Kind::Push => {
                return Err(bad(&"a response or a push from a client"));
            }
        };
        let settings = self.core.pool().settings();
        let route = settings.dictionary.resolve(message.route).map_err(|e| bad(&e))?;
        let mut target = self.context.dispatcher.resolve(route);
        if let Some(answered) = self.over_a_limit(&target, now) {
            if mid == 0 || !answered {
                return Ok(());
            }
            target = Target::Unresolved(call_limits::too_many());
            message.compressed = false;
            message.body = &[];
        }
        let inbound = InboundMessage { target, mid, at: arrived, waited: arrived != now };
        let scope = Scope { context: &self.context, core: &self.core };
        if self.lane.makes_wait(scope, &inbound.target) {
            self.lane.wait(scope, inbound, body.part(message.body).to_bytes(), message.compressed);
        } else if !message.compressed {
            self.lane.begin(scope, inbound, &body.part(message.body), cx);
        } else if let Some(inflated) = self.context.inflate(&self.core, message.body) {
            self.lane.begin(scope, inbound, &Body::borrowed(&inflated), cx);
        }
        Ok(())
    }
}

/// Wakes the task after the other tasks of its thread and the sockets had their turn. A task that only wakes itself would
/// run up to 61 times before the runtime looks at the sockets.
fn yield_to_others(cx: &mut Context<'_>) {
    let yielded = pin!(tokio::task::yield_now());
    if yielded.poll(cx).is_ready() {
        cx.waker().wake_by_ref();
    }
}

/// Says that a session has ended, however its connection does.
struct EndOnDrop<'a>(&'a Core);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Writes what a closed session has left, up to its write deadline.
async fn flush(output: &mut Output, core: &Core, link: &mut Link, limit: Duration) {
    let write = poll_fn(|cx| match output.write(core, link, limit, cx) {
        Ok((Wrote::Blocked | Wrote::Yielded, _)) => Poll::Pending,
        Ok((Wrote::All, _)) | Err(_) => Poll::Ready(()),
    });
    let write = AssertUnwindSafe(write).catch_unwind();
    if let Ok(Err(panic)) = tokio::time::timeout(limit, write).await {
        panic_error("a link", &*panic);
    }
}

/// Lets the handlers of a closed connection come to their end, or to the end of their time.
async fn finish(scope: Scope<'_>, lane: &mut Lane) {
    while !lane.idle() {
        let until = lane.deadline();
        let step = poll_fn(|cx| {
            lane.run(scope, usize::MAX, cx);
            if lane.idle() || lane.deadline() != until { Poll::Ready(()) } else { Poll::Pending }
        });
        match until {
            None => step.await,
            Some(until) => {
                if tokio::time::timeout_at(until, step).await.is_err() {
                    poll_fn(|cx| {
                        lane.tick(scope, Instant::now(), cx);
                        Poll::Ready(())
                    })
                    .await;
                }
            }
        }
    }
}

/// Why reading came to its end.
fn close_reason_of(error: &io::Error) -> CloseReason {
    match error.kind() {
        _ if MessageTooLong::is_in(error) => CloseReason::TooLarge,
        io::ErrorKind::InvalidData => CloseReason::Protocol,
        _ => CloseReason::Client,
    }
}
