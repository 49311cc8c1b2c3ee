//! The per-session ordered queue: the messages of a session run one at a time, in the order of their arrival.

use std::collections::VecDeque;
use std::future::ready;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::ConnectionContext;
use super::answer::{send_error, send_reply, try_send_error};
use super::metrics::{CompletedBatch, RouteLabel};
use super::recode;
use super::running_call::{self, CallInfo, RunningCall};
use crate::cluster::Forwarded;
use crate::component::{
    CallFuture, ClientCall, Entry, EntryId, Handler, ReplySink, SessionScope, Started, Target,
};
use crate::error::{Error, Result, code, text};
use crate::serialize::Body;
use crate::session::{CallId, FrontendSession, Side};
use crate::util::throttle::throttled;

/// Bytes of a body, after inflating, that count as much work as one handler of a short message.
pub(super) const WORK_BYTES: usize = 4096;

/// A message that was read: its target, and what a reply needs.
pub(super) struct InboundMessage {
    pub(super) target: Target,
    /// The id of a request; 0 for a notify.
    pub(super) mid: u64,
    pub(super) read_at: Instant,
    /// It was read in an earlier poll, or is queued.
    pub(super) waited: bool,
}

/// A message that waits for the ones before it.
struct Queued {
    message: InboundMessage,
    body: Bytes,
    /// The body is inflated when the message starts, so that the queue holds what came over the wire.
    compressed: bool,
}

/// The calls of one session.
pub(super) struct Lane {
    pub(super) context: Arc<ConnectionContext>,
    pub(super) session: Arc<FrontendSession>,
    /// The session and the tables, which its calls use.
    pub(super) scope: Arc<SessionScope>,
    queue: VecDeque<Queued>,
    /// The bytes of the bodies in `queue`.
    queued_bytes: usize,
    running: Option<RunningCall>,
    /// The running call started in this poll of the connection, so it need not be polled again.
    fresh: bool,
    /// Calls of `#[concurrent]` routes. Boxed, because most sessions have none.
    pub(super) concurrent: Option<Box<JoinSet<()>>>,
    /// Work since the last [`reset_work`](Self::reset_work).
    pub(super) work: usize,
    /// Calls that finished and are not reported yet.
    completed: CompletedBatch,
}

impl Lane {
    pub(super) fn new(context: Arc<ConnectionContext>, session: Arc<FrontendSession>) -> Self {
        Self {
            scope: SessionScope::new(Side::Frontend(Arc::clone(&session)), Arc::clone(&context.tables)),
            session,
            context,
            queue: VecDeque::new(),
            queued_bytes: 0,
            running: None,
            fresh: false,
            concurrent: None,
            work: 0,
            completed: CompletedBatch::default(),
        }
    }

    /// Returns whether the queue or the concurrent calls are at their limit.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        let limits = &self.context.limits;
        self.queue.len() >= limits.pending
            || self.queued_bytes >= limits.pending_bytes
            || self.concurrent_count() >= limits.concurrent
    }

    /// Returns the number of concurrent calls.
    #[inline]
    pub(super) fn concurrent_count(&self) -> usize {
        self.concurrent.as_ref().map_or(0, |set| set.len())
    }

    /// Returns the work since the last [`reset_work`](Self::reset_work): one for each handler that started, and one for
    /// each [`WORK_BYTES`] of a body.
    #[inline]
    pub(super) fn work(&self) -> usize {
        self.work
    }

    pub(super) fn reset_work(&mut self) {
        self.work = 0;
    }

    /// Returns whether no call runs. Messages may be queued.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_none() && self.concurrent_count() == 0
    }

    /// Returns the deadline of the running call.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.running.as_ref().map(|running| running.deadline)
    }

    /// Returns whether a message must wait for others.
    #[inline]
    pub(super) fn must_queue(&self, target: &Target) -> bool {
        (self.running.is_some() || !self.queue.is_empty()) && !self.is_concurrent(target)
    }

    /// Queues a message.
    pub(super) fn enqueue(&mut self, message: InboundMessage, body: Bytes, compressed: bool) {
        self.context.metrics.queued();
        self.queued_bytes += body.len();
        self.queue.push_back(Queued {
            message: InboundMessage { waited: true, ..message },
            body,
            compressed,
        });
    }

    /// Starts a message that [need not wait](Self::must_queue).
    #[inline]
    pub(super) fn begin(&mut self, message: InboundMessage, body: &Body<'_>, cx: &mut Context<'_>) {
        if self.is_concurrent(&message.target) {
            return self.spawn_concurrent(message, body);
        }
        self.start(message, body, cx);
    }

    /// Polls the running call, then starts queued messages until `budget` is used up.
    pub(super) fn run(&mut self, budget: usize, cx: &mut Context<'_>) {
        loop {
            if let Some(running) = &mut self.running {
                if mem::take(&mut self.fresh) {
                    break;
                }
                let Poll::Ready(result) = running.poll(&self.context, cx) else { break };
                let Some(RunningCall { info, recorded, .. }) = self.running.take() else { break };
                if recorded {
                    self.session.end_lane_call();
                } else {
                    self.finish(info, result, cx);
                }
            } else if self.queue.is_empty() {
                self.queue = VecDeque::new(); // frees the memory of a queue that was long
                break;
            } else if self.work >= budget || self.session.close_reason().is_some() {
                // In a closed session only the running call continues.
                break;
            } else if let Some(Queued { message, body, compressed }) = self.queue.pop_front() {
                self.context.metrics.unqueued(1);
                self.queued_bytes -= body.len();
                if !compressed {
                    self.start(message, &Body::shared(&body), cx);
                } else if let Some(inflated) = self.context.inflate(&self.session, &body) {
                    self.start(message, &Body::borrowed(&inflated), cx);
                }
            }
        }
        self.report();
        if let Some(set) = &mut self.concurrent {
            while let Poll::Ready(Some(_)) = set.poll_join_next(cx) {}
        }
    }

    /// Drops the running call if its deadline is over. Returns whether it did.
    pub(super) fn expire(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return false;
        }
        let Some(running) = self.running.take() else { return false };
        let recorded = running.recorded;
        let info = running.discard(&self.context);
        let route = self.context.route(&info.label);
        if recorded {
            let session = self.session.id();
            throttled!(
                self.session.pool().log(),
                warn,
                "answers without room",
                route,
                session,
                "dropped an error reply: the outbox had no room in time"
            );
            self.session.end_lane_call();
        } else {
            log_slow_handler(&self.session, route);
            self.finish(info, Err(timed_out()), cx);
        }
        true
    }

    /// Drops all calls that run.
    pub(super) fn abort(&mut self) {
        if let Some(running) = self.running.take() {
            running.discard(&self.context);
        }
        self.concurrent = None;
    }

    /// Drops the queued messages. Returns their number.
    pub(super) fn drop_queued(&mut self) -> usize {
        self.queued_bytes = 0;
        mem::take(&mut self.queue).len()
    }

    /// Returns whether messages for a target start when they arrive.
    #[inline]
    fn is_concurrent(&self, target: &Target) -> bool {
        match target {
            Target::Local(id) => self.context.entry(*id).info.concurrent,
            Target::Remote(_) => self.context.limits.concurrent_forward,
            Target::Unresolved(_) => false,
        }
    }

    #[inline]
    fn start(&mut self, message: InboundMessage, body: &Body<'_>, cx: &mut Context<'_>) {
        self.work += 1 + body.as_slice().len() / WORK_BYTES;
        let InboundMessage { target, mid, read_at, waited } = message;
        let info = |label| CallInfo { label, mid, read_at };
        let id = match target {
            Target::Local(id) => id,
            Target::Remote(route) => return self.start_forward(route, mid, read_at, body, cx),
            Target::Unresolved(error) => return self.finish(info(RouteLabel::Unresolved), Err(error), cx),
        };
        let entry = self.context.entry(id);
        if let Some(error) = refuse(&self.session, entry, mid) {
            return self.finish(info(RouteLabel::Local(id)), Err(error), cx);
        }
        if waited {
            self.context.metrics.record_queue_delay(id, read_at);
        }
        let call = self.session.begin_lane_call();
        let started = running_call::start(entry, self.client(call, mid, id, entry), body, cx);
        match started {
            Started::Done(Ok(())) if !waited => {
                if !self.completed.add(id, read_at) {
                    self.report();
                    self.completed.add(id, read_at);
                }
                return self.session.end_lane_call();
            }
            _ if !waited => self.context.metrics.record_no_delay(id),
            _ => {}
        }
        match started {
            Started::Done(result) => self.finish(info(RouteLabel::Local(id)), result, cx),
            Started::Running(future) => self.keep_running(info(RouteLabel::Local(id)), future),
        }
    }

    fn keep_running(&mut self, info: CallInfo, future: CallFuture<Handler>) {
        self.running = Some(RunningCall::new(info, future, self.context.limits.handler));
        self.fresh = true;
    }

    #[inline]
    pub(super) fn client(&self, call: CallId, mid: u64, id: EntryId, entry: &Entry) -> ClientCall {
        let (scope, reply) = (Arc::clone(&self.scope), ReplySink::outbox(mid));
        ClientCall { scope, call, reply, entry: id, no_hooks: entry.no_hooks() }
    }

    /// Forwards a message to a server of another type. The lane waits for the answer.
    fn start_forward(
        &mut self,
        route: Arc<str>,
        mid: u64,
        read_at: Instant,
        body: &Body<'_>,
        cx: &mut Context<'_>,
    ) {
        let mut future = self.forward(Arc::clone(&route), mid, body);
        let polled = running_call::poll(&route, &mut future, cx);
        let info = CallInfo { label: RouteLabel::Remote(route), mid, read_at };
        match polled {
            Poll::Ready(result) => self.finish(info, result, cx),
            Poll::Pending => self.keep_running(info, future),
        }
    }

    /// Forwards a message, then sends its reply to the client.
    pub(super) fn forward(&self, route: Arc<str>, mid: u64, body: &Body<'_>) -> CallFuture<Handler> {
        let session = Arc::clone(&self.session);
        let body = match session.own_serializer() {
            None => body.to_bytes(),
            Some(own) => match recode::message(&session, own, &route, body, mid != 0) {
                Ok(body) => body,
                Err(error) => return Box::pin(ready(Err(error))),
            },
        };
        let message = Forwarded { session: Arc::clone(&session), route: Arc::clone(&route), body, mid };
        let answer = self.context.forward(message);
        Box::pin(async move {
            let mut reply = answer.await?;
            if mid != 0 {
                if let Some(own) = session.own_serializer() {
                    reply = recode::reply(&session, own, &route, &reply)?;
                }
                send_reply(&session, &route, mid, &reply).await?;
            }
            Ok(())
        })
    }

    /// Reports the calls that finished. Their replies are written when the lane has run.
    #[inline]
    fn report(&mut self) {
        self.context.metrics.record_batch(&self.completed);
        self.completed.clear();
    }

    /// Records a finished call. If it failed, answers the client.
    #[inline]
    fn finish(&mut self, info: CallInfo, result: Result<()>, cx: &mut Context<'_>) {
        self.context.metrics.record_call(&info.label, info.read_at, result.as_ref().err());
        if let Err(error) = result
            && self.fail(info, error, cx)
        {
            return;
        }
        self.session.end_lane_call();
    }

    /// Logs an error and answers the client. Returns `true` if the answer waits for room in the outbox: then it keeps
    /// the lane, as a reply would.
    fn fail(&mut self, info: CallInfo, error: Error, cx: &mut Context<'_>) -> bool {
        self.context.failure_log.log(self.context.route(&info.label), self.session.id(), &error);
        let mid = info.mid;
        if mid == 0 || try_send_error(&self.session, mid, &error) {
            return false;
        }
        let session = Arc::clone(&self.session);
        let mut future: CallFuture<Handler> = Box::pin(async move {
            send_error(&session, mid, &error).await;
            Ok(())
        });
        if future.as_mut().poll(cx).is_ready() {
            return false;
        }
        self.keep_running(info, future);
        if let Some(running) = &mut self.running {
            running.recorded = true;
        }
        true
    }
}

/// Returns the error of a message that must not start.
#[inline]
pub(super) fn refuse(session: &FrontendSession, entry: &Entry, mid: u64) -> Option<Error> {
    if mid == 0 {
        return None;
    }
    if entry.info.notify {
        return Some(Error::new(code::BAD_REQUEST, text::REQUEST_ON_NOTIFY));
    }
    recode::check_reply(session.own_serializer()?, entry.info.reply?).err()
}

pub(super) fn log_slow_handler(session: &FrontendSession, route: &str) {
    throttled!(
        session.pool().log(),
        warn,
        "slow handlers",
        route,
        session = session.id(),
        "dropped a handler that took too long"
    );
}

pub(super) fn timed_out() -> Error {
    Error::new(code::TIMEOUT, text::HANDLER_TIMEOUT)
}
