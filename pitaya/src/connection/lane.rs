//! The lane of a session: its messages in the order they came, one at a time; and beside it the messages of
//! `#[concurrent]` routes.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::metrics::{CompletedBatch, RouteLabel};
use super::{ConnectionContext, ConnectionLimits};
use crate::component::{CallFuture, ClientCall, Entry, EntryId, Handler, SessionScope};
use crate::dispatch::{self, Forwarded, Started, Target};
use crate::error::{Error, Result, code, text};
use crate::serialize::{Body, ErrorPayload};
use crate::session::{CallId, Core, Refused};
use crate::util::panic::panic_error;
use crate::util::throttle::throttled;
use crate::wire::message;

/// Bytes of a body, inflated if it came compressed, that count as much as one handler. To inflate and decode them takes
/// about as long as the handler of a short message.
const WORK_BYTES: usize = 4096;

/// A message that was read: where it goes, and what a reply needs.
pub(super) struct InboundMessage {
    pub(super) target: Target,
    /// The id of a request; 0 is none.
    pub(super) mid: u64,
    pub(super) at: Instant,
    /// It was read earlier, when nothing more could be taken.
    pub(super) waited: bool,
}

/// A message that waits for the ones before it.
struct Waiting {
    message: InboundMessage,
    body: Bytes,
    /// It is inflated when its turn comes: until then it takes no more room than it took on the wire.
    compressed: bool,
}

/// A handler, or an answer that waits for room, that goes on.
struct Running {
    label: RouteLabel,
    /// It was reported: only its answer waits for room.
    reported: bool,
    mid: u64,
    at: Instant,
    future: CallFuture<Handler>,
    until: Instant,
}

pub(super) struct Lane {
    /// What its calls use.
    session: Arc<SessionScope>,
    waiting: VecDeque<Waiting>,
    /// The bytes of their bodies.
    waiting_bytes: usize,
    running: Option<Running>,
    /// It began in this very poll of the connection: what has happened since has woken the task.
    fresh: bool,
    /// Made when the first concurrent message comes: most sessions have none.
    concurrent: Option<Box<JoinSet<()>>>,
    /// Work since the last yield: one for each handler that was started, and one for each [`WORK_BYTES`] of its body.
    work: usize,
    /// What was answered and is not reported yet.
    completed: CompletedBatch,
}

/// What a lane needs of its connection.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) context: &'a Arc<ConnectionContext>,
    pub(super) core: &'a Arc<Core>,
}

impl Scope<'_> {
    /// Whether messages for it start on arrival.
    #[inline]
    fn starts_on_arrival(&self, target: &Target) -> bool {
        match target {
            Target::Local(id) => self.context.dispatcher.entry(*id).info.concurrent,
            Target::Remote(_) => self.context.limits.concurrent_forward,
            Target::Unresolved(_) => false,
        }
    }

    /// Sends a message on, then its reply to the client.
    fn forward(&self, route: Arc<str>, mid: u64, body: &Body<'_>) -> CallFuture<Handler> {
        let core = Arc::clone(self.core);
        let replied = Arc::clone(&route);
        let message = Forwarded { core: Arc::clone(&core), route, body: body.to_bytes(), mid };
        let answer = self.context.dispatcher.forward(message);
        Box::pin(async move {
            let reply = answer.await?;
            if mid != 0 {
                reply_raw(&core, &replied, mid, &reply).await?;
            }
            Ok(())
        })
    }

    fn route<'a>(&'a self, label: &'a RouteLabel) -> &'a str {
        match label {
            RouteLabel::Local(entry) => self.context.dispatcher.entry(*entry).route(),
            RouteLabel::Remote(route) => route,
            RouteLabel::Unresolved => "",
        }
    }
}

impl Lane {
    pub(super) fn new(session: Arc<SessionScope>) -> Self {
        Self {
            session,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            running: None,
            fresh: false,
            concurrent: None,
            work: 0,
            completed: CompletedBatch::default(),
        }
    }

    #[inline]
    fn client_call(&self, call: CallId, mid: u64, id: EntryId, entry: &Entry) -> ClientCall {
        ClientCall { scope: Arc::clone(&self.session), call, mid, entry: id, no_hooks: entry.no_hooks() }
    }

    /// Whether as much waits as may, in number or in bytes.
    #[inline]
    pub(super) fn full(&self, limits: &ConnectionLimits) -> bool {
        self.waiting.len() >= limits.pending
            || self.waiting_bytes >= limits.pending_bytes
            || self.concurrent_count() >= limits.concurrent
    }

    /// Whether a message of this route would wait for others.
    #[inline]
    pub(super) fn makes_wait(&self, scope: Scope<'_>, target: &Target) -> bool {
        !scope.starts_on_arrival(target) && (self.running.is_some() || !self.waiting.is_empty())
    }

    /// Keeps a message whose turn has not come.
    pub(super) fn wait(&mut self, scope: Scope<'_>, message: InboundMessage, body: Bytes, compressed: bool) {
        scope.context.metrics.queued();
        self.waiting_bytes += body.len();
        self.waiting.push_back(Waiting {
            message: InboundMessage { waited: true, ..message },
            body,
            compressed,
        });
    }

    /// Concurrent handlers that run.
    pub(super) fn concurrent_count(&self) -> usize {
        self.concurrent.as_ref().map_or(0, |set| set.len())
    }

    /// Work since the last [`reset_work`](Self::reset_work), in handlers of short messages.
    pub(super) fn work(&self) -> usize {
        self.work
    }

    pub(super) fn reset_work(&mut self) {
        self.work = 0;
    }

    /// Whether no handler goes on, waiting ones aside.
    pub(super) fn idle(&self) -> bool {
        self.running.is_none() && self.concurrent_count() == 0
    }

    /// Until when the running handler may take.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.running.as_ref().map(|running| running.until)
    }

    /// Starts a message that [need not wait](Self::makes_wait).
    #[inline]
    pub(super) fn begin(
        &mut self,
        scope: Scope<'_>,
        message: InboundMessage,
        body: &Body<'_>,
        cx: &mut Context<'_>,
    ) {
        if scope.starts_on_arrival(&message.target) {
            return self.spawn_concurrent(scope, message, body);
        }
        self.start(scope, message, body, cx);
    }

    /// Lets the running handler go on, and those that wait after it, up to `budget` of them.
    pub(super) fn run(&mut self, scope: Scope<'_>, budget: usize, cx: &mut Context<'_>) {
        loop {
            if let Some(running) = &mut self.running {
                if mem::take(&mut self.fresh) {
                    break;
                }
                let Poll::Ready(result) =
                    dispatch::poll(scope.route(&running.label), &mut running.future, cx)
                else {
                    break;
                };
                let Some(Running { label, reported, mid, at, .. }) = self.running.take() else { break };
                if reported {
                    scope.core.end_lane_call();
                } else {
                    self.finished(scope, label, mid, at, result, cx);
                }
            } else if self.waiting.is_empty() {
                // A queue that was long once is not kept.
                self.waiting = VecDeque::new();
                break;
            } else if self.work >= budget || scope.core.close_reason().is_some() {
                // Of a closed session only the handler that runs comes to its end.
                break;
            } else if let Some(next) = self.waiting.pop_front() {
                scope.context.metrics.unqueued(1);
                self.waiting_bytes -= next.body.len();
                if !next.compressed {
                    self.start(scope, next.message, &Body::shared(&next.body), cx);
                } else if let Some(body) = scope.context.inflate(scope.core, &next.body) {
                    self.start(scope, next.message, &Body::borrowed(&body), cx);
                }
            }
        }
        self.report(scope);
        if let Some(set) = &mut self.concurrent {
            while let Poll::Ready(Some(_)) = set.poll_join_next(cx) {}
        }
    }

    /// Cuts the running handler off if its time is over. Returns whether it did.
    pub(super) fn tick(&mut self, scope: Scope<'_>, now: Instant, cx: &mut Context<'_>) -> bool {
        if self.deadline().is_none_or(|until| now < until) {
            return false;
        }
        let Some(running) = self.running.take() else { return false };
        let Running { label, reported, mid, at, future, .. } = running;
        let route = scope.route(&label);
        dispatch::discard(route, future);
        if reported {
            let session = scope.core.id();
            throttled!(
                scope.core.pool().log(),
                warn,
                "answers without room",
                route,
                session,
                "the answer of a call found no room in time"
            );
            scope.core.end_lane_call();
            return true;
        }
        slow_handler(scope.core, route);
        self.finished(scope, label, mid, at, Err(timed_out()), cx);
        true
    }

    /// Drops all handlers that still go on.
    pub(super) fn abort(&mut self, scope: Scope<'_>) {
        if let Some(running) = self.running.take() {
            dispatch::discard(scope.route(&running.label), running.future);
        }
        self.concurrent = None;
    }

    /// Forgets the messages that wait; gives their number.
    pub(super) fn drop_waiting(&mut self) -> usize {
        self.waiting_bytes = 0;
        mem::take(&mut self.waiting).len()
    }

    #[inline]
    fn start(&mut self, scope: Scope<'_>, message: InboundMessage, body: &Body<'_>, cx: &mut Context<'_>) {
        self.work += 1 + body.as_slice().len() / WORK_BYTES;
        let InboundMessage { target, mid, at, waited } = message;
        let id = match target {
            Target::Local(id) => id,
            Target::Remote(route) => return self.start_forward(scope, route, (mid, at), body, cx),
            Target::Unresolved(error) => {
                return self.finished(scope, RouteLabel::Unresolved, mid, at, Err(error), cx);
            }
        };
        let entry = scope.context.dispatcher.entry(id);
        if let Some(refused) = refused(entry, mid) {
            return self.finished(scope, RouteLabel::Local(id), mid, at, Err(refused), cx);
        }
        if waited {
            scope.context.metrics.record_queue_delay(id, at);
        }
        let call = scope.core.begin_lane_call();
        let started = dispatch::start(entry, self.client_call(call, mid, id, entry), body, cx);
        match started {
            Started::Done(Ok(())) if !waited => {
                if !self.completed.add(id, at) {
                    self.report(scope);
                    self.completed.add(id, at);
                }
                return scope.core.end_lane_call();
            }
            _ if !waited => scope.context.metrics.record_no_delay(id),
            _ => {}
        }
        match started {
            Started::Done(result) => self.finished(scope, RouteLabel::Local(id), mid, at, result, cx),
            Started::Running(future) => {
                let until = Instant::now() + scope.context.limits.handler;
                let label = RouteLabel::Local(id);
                self.running = Some(Running { label, reported: false, mid, at, future, until });
                self.fresh = true;
            }
        }
    }

    /// Reports what was answered; the answers leave as soon as the lane rests.
    #[inline]
    fn report(&mut self, scope: Scope<'_>) {
        scope.context.metrics.record_batch(&self.completed);
        self.completed.clear();
    }

    /// A call is over. If it failed, the client is answered here.
    #[inline]
    fn finished(
        &mut self,
        scope: Scope<'_>,
        label: RouteLabel,
        mid: u64,
        at: Instant,
        result: Result<()>,
        cx: &mut Context<'_>,
    ) {
        scope.context.metrics.record_call(&label, at, result.as_ref().err());
        if let Err(error) = result {
            scope.context.failure_log.log(scope.route(&label), scope.core.id(), &error);
            if mid != 0 && !answer(scope.core, mid, &error) {
                // The outbox is full: the answer waits for room in this lane, as a reply would.
                let core = Arc::clone(scope.core);
                let mut future: CallFuture<Handler> = Box::pin(async move {
                    answer_later(&core, mid, &error).await;
                    Ok(())
                });
                if future.as_mut().poll(cx).is_pending() {
                    let until = Instant::now() + scope.context.limits.handler;
                    self.running = Some(Running { label, reported: true, mid: 0, at, future, until });
                    self.fresh = true;
                    return;
                }
            }
        }
        scope.core.end_lane_call();
    }

    /// Sends a message on to a server of another type; the lane waits for its answer.
    fn start_forward(
        &mut self,
        scope: Scope<'_>,
        route: Arc<str>,
        (mid, at): (u64, Instant),
        body: &Body<'_>,
        cx: &mut Context<'_>,
    ) {
        let mut future = scope.forward(Arc::clone(&route), mid, body);
        let polled = dispatch::poll(&route, &mut future, cx);
        let label = RouteLabel::Remote(route);
        match polled {
            Poll::Ready(result) => self.finished(scope, label, mid, at, result, cx),
            Poll::Pending => {
                let until = Instant::now() + scope.context.limits.handler;
                self.running = Some(Running { label, reported: false, mid, at, future, until });
                self.fresh = true;
            }
        }
    }

    fn spawn_concurrent(&mut self, scope: Scope<'_>, message: InboundMessage, body: &Body<'_>) {
        self.work += body.as_slice().len() / WORK_BYTES;
        let (context, core) = (Arc::clone(scope.context), Arc::clone(scope.core));
        let InboundMessage { target, mid, at, waited } = message;
        let running = core.begin_concurrent_call();
        // Decoding is the user's code too, and the body is only borrowed: it happens here and now.
        let (label, made) = match target {
            Target::Local(id) => {
                let entry = context.dispatcher.entry(id);
                if waited {
                    context.metrics.record_queue_delay(id, at);
                } else {
                    context.metrics.record_no_delay(id);
                }
                let client = self.client_call(running.id(), mid, id, entry);
                let made = match refused(entry, mid) {
                    Some(refused) => Err(refused),
                    None => catch_unwind(AssertUnwindSafe(|| dispatch::call(entry, client, body)))
                        .map_err(|panic| panic_error(entry.route(), &*panic)),
                };
                (RouteLabel::Local(id), made)
            }
            Target::Remote(route) => {
                let future = scope.forward(Arc::clone(&route), mid, body);
                (RouteLabel::Remote(route), Ok(future))
            }
            Target::Unresolved(error) => (RouteLabel::Unresolved, Err(error)),
        };
        let guard = ConcurrentGuard::new(&context, at);
        let task = async move {
            let context = &guard.0;
            let scope = Scope { context, core: &core };
            let route = scope.route(&label);
            let result = match made {
                Ok(future) => with_timeout(context.limits.handler, route, &core, future).await,
                Err(error) => Err(error),
            };
            context.metrics.record_call(&label, at, result.as_ref().err());
            if let Err(error) = result {
                context.failure_log.log(route, core.id(), &error);
                if mid != 0 && !answer(&core, mid, &error) {
                    answer_later(&core, mid, &error).await;
                }
            }
            drop(running);
        };
        self.concurrent.get_or_insert_default().spawn(task);
    }
}

/// Why a message may not even start.
#[inline]
fn refused(entry: &Entry, mid: u64) -> Option<Error> {
    (entry.info.notify && mid != 0).then(|| Error::new(code::BAD_REQUEST, text::REQUEST_ON_NOTIFY))
}

fn slow_handler(core: &Core, route: &str) {
    let session = core.id();
    throttled!(
        core.pool().log(),
        warn,
        "slow handlers",
        route,
        session,
        "a handler took too long and was cut off"
    );
}

fn timed_out() -> Error {
    Error::new(code::TIMEOUT, text::HANDLER_TIMEOUT)
}

async fn with_timeout(
    limit: Duration,
    route: &str,
    core: &Core,
    mut future: CallFuture<Handler>,
) -> Result<()> {
    // The task may be polled once more before the connection drops it.
    let work = poll_fn(|cx| if core.pool().is_killed() { Poll::Pending } else { future.as_mut().poll(cx) });
    match tokio::time::timeout(limit, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(panic_error(route, &*panic)),
        Err(_) => {
            slow_handler(core, route);
            dispatch::discard(route, future);
            Err(timed_out())
        }
    }
}

/// A call beside the lane is counted for as long as it is there.
struct ConcurrentGuard(Arc<ConnectionContext>);

impl ConcurrentGuard {
    fn new(context: &Arc<ConnectionContext>, arrived: Instant) -> Self {
        context.metrics.concurrent_started(arrived);
        Self(Arc::clone(context))
    }
}

impl Drop for ConcurrentGuard {
    fn drop(&mut self) {
        self.0.metrics.concurrent_ended();
    }
}

/// Answers a request with an error; `false` if there is no room now.
fn answer(core: &Core, mid: u64, error: &Error) -> bool {
    let settings = core.pool().settings();
    let payload = ErrorPayload::of(error, settings.expose_errors);
    let sent = core.encode(|out| {
        message::encode_response_with(out, mid, true, settings.compression.mode(), |out| {
            payload.encode_as(&settings.format, out)
        })
    });
    match sent {
        Ok(Ok(())) | Err(Refused::Closed) => true,
        Ok(Err(failed)) => {
            throttled!(
                core.pool().log(),
                error,
                "unencodable errors",
                error = %failed,
                "failed to encode an error for a client"
            );
            true
        }
        Err(_) => false,
    }
}

/// Answers a request with a body that is encoded already, as soon as there is room.
async fn reply_raw(core: &Core, route: &str, mid: u64, body: &[u8]) -> Result<()> {
    let compression = core.pool().settings().compression.named(route, body.len());
    loop {
        match core.encode(|out| message::encode_response(out, mid, false, body, compression)) {
            Ok(sent) => return sent.map_err(|error| Error::new(code::INTERNAL, error.to_string())),
            Err(Refused::Full) => core.room(1).await,
            Err(_) => return Ok(()), // the session is closed: nobody is there to answer
        }
    }
}

async fn answer_later(core: &Core, mid: u64, error: &Error) {
    loop {
        core.room(1).await;
        if answer(core, mid, error) {
            return;
        }
    }
}
