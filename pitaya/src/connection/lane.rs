//! The lane of a session: its messages in the order they came, one at a time; and beside it the messages of
//! `#[concurrent]` routes.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::meters::Meters;
use crate::component::{CallInfo, Done, Entry, ReplyTo, send_error};
use crate::dispatch::{self, Started, failure};
use crate::error::{Error, code, text};
use crate::serialize::Body;
use crate::session::{Core, panicked};

/// A message that was read: where it goes, and what a reply needs.
pub(super) struct Arrival {
    /// The handler, or why there is none.
    pub(super) target: Result<Arc<Entry>, Error>,
    /// The id of a request; 0 is none.
    pub(super) mid: u64,
    pub(super) at: Instant,
}

impl Arrival {
    fn reply_to(&self) -> ReplyTo {
        if self.mid == 0 { ReplyTo::Nobody } else { ReplyTo::Client }
    }

    fn route(&self) -> &str {
        self.target.as_ref().map_or("", |entry| entry.route())
    }
}

/// A message that waits for the ones before it.
struct Waiting {
    arrival: Arrival,
    body: Bytes,
}

/// A handler, or an answer that waits for room, that goes on.
struct Running {
    arrival: Arrival,
    future: BoxFuture<'static, Done>,
    until: Instant,
}

#[derive(Default)]
pub(super) struct Lane {
    waiting: VecDeque<Waiting>,
    running: Option<Running>,
    /// Made when the first concurrent message comes: most sessions have none.
    concurrent: Option<Box<JoinSet<()>>>,
    /// Handlers started since the last yield.
    started: usize,
}

/// What a lane needs of its connection.
pub(super) struct Scope<'a> {
    pub(super) core: &'a Arc<Core>,
    pub(super) meters: &'a Meters,
    pub(super) timeout: Duration,
}

impl Lane {
    /// Messages that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Concurrent handlers that run.
    pub(super) fn beside(&self) -> usize {
        self.concurrent.as_ref().map_or(0, |set| set.len())
    }

    /// Handlers started since the last [`rest`](Self::rest).
    pub(super) fn started(&self) -> usize {
        self.started
    }

    pub(super) fn rest(&mut self) {
        self.started = 0;
    }

    /// Whether no handler goes on, waiting ones aside.
    pub(super) fn idle(&self) -> bool {
        self.running.is_none() && self.beside() == 0
    }

    /// Until when the running handler may take.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.running.as_ref().map(|running| running.until)
    }

    /// Takes a message: starts it if nothing is before it, else keeps it.
    #[inline]
    pub(super) fn arrive(
        &mut self,
        scope: &Scope<'_>,
        arrival: Arrival,
        body: &Body<'_>,
        cx: &mut Context<'_>,
    ) {
        if let Ok(entry) = &arrival.target {
            if entry.info.concurrent {
                let entry = Arc::clone(entry);
                return self.start_beside(scope, &entry, &arrival, body);
            }
        }
        if self.running.is_some() || !self.waiting.is_empty() {
            self.waiting.push_back(Waiting { arrival, body: body.to_bytes() });
        } else {
            self.start(scope, arrival, body, cx);
        }
    }

    /// Lets the running handler go on, and those that wait after it, up to `budget` of them.
    pub(super) fn run(&mut self, scope: &Scope<'_>, budget: usize, cx: &mut Context<'_>) {
        loop {
            if let Some(running) = &mut self.running {
                match dispatch::poll(running.arrival.route(), &mut running.future, cx) {
                    Poll::Pending => break,
                    Poll::Ready(done) => {
                        let Some(running) = self.running.take() else { break };
                        self.finished(scope, running.arrival, done, cx);
                    }
                }
            } else if self.started >= budget {
                break;
            } else if let Some(next) = self.waiting.pop_front() {
                self.start(scope, next.arrival, &Body::shared(&next.body), cx);
            } else {
                // A queue that was long once is not kept.
                if self.waiting.capacity() > 0 {
                    self.waiting = VecDeque::new();
                }
                break;
            }
        }
        if let Some(set) = &mut self.concurrent {
            while let Poll::Ready(Some(_)) = set.poll_join_next(cx) {}
        }
    }

    /// Cuts the running handler off if its time is over.
    pub(super) fn tick(&mut self, scope: &Scope<'_>, now: Instant, cx: &mut Context<'_>) {
        if self.deadline().is_some_and(|until| now >= until) {
            let Some(running) = self.running.take() else { return };
            dispatch::discard(running.arrival.route(), running.future);
            tracing::warn!(
                route = running.arrival.route(),
                session = scope.core.id(),
                "the handler took too long and was cut off"
            );
            self.finished(scope, running.arrival, Err(timed_out()), cx);
        }
    }

    /// Forgets the messages that wait; gives their number.
    pub(super) fn drop_waiting(&mut self) -> usize {
        std::mem::take(&mut self.waiting).len()
    }

    #[inline]
    fn start(&mut self, scope: &Scope<'_>, arrival: Arrival, body: &Body<'_>, cx: &mut Context<'_>) {
        self.started += 1;
        let call = scope.core.begin_lane_call();
        let entry = match &arrival.target {
            Ok(entry) => Arc::clone(entry),
            Err(error) => {
                let error = error.without_source();
                return self.finished(scope, arrival, Err(error), cx);
            }
        };
        if entry.info.notify && arrival.mid != 0 {
            let error = Error::new(code::BAD_REQUEST, text::REQUEST_ON_NOTIFY);
            return self.finished(scope, arrival, Err(error), cx);
        }
        scope.meters.started(&entry, arrival.at);
        let info = CallInfo {
            core: Arc::clone(scope.core),
            call,
            mid: arrival.mid,
            reply_to: arrival.reply_to(),
            entry: Arc::clone(&entry),
        };
        match dispatch::start(&entry, info, body, cx) {
            Started::Done(done) => self.finished(scope, arrival, done, cx),
            Started::Running(future) => {
                let until = Instant::now() + scope.timeout;
                self.running = Some(Running { arrival, future, until });
            }
        }
    }

    /// A call is over. If it failed before its own code could answer, the client is answered here.
    #[inline]
    fn finished(
        &mut self,
        scope: &Scope<'_>,
        arrival: Arrival,
        done: Result<Done, Error>,
        cx: &mut Context<'_>,
    ) {
        scope.meters.finished(arrival.target.as_deref().ok(), arrival.at, failure(&done));
        log(scope.core, arrival.route(), failure(&done));
        if let (Err(error), true) = (done, arrival.mid != 0) {
            let core = Arc::clone(scope.core);
            let mid = arrival.mid;
            let mut future: BoxFuture<'static, Done> = Box::pin(async move {
                send_error(&core, mid, &error).await;
                Done::sent()
            });
            if future.as_mut().poll(cx).is_pending() {
                // The outbox is full: the answer waits for room in this lane, as a handler's own would. When
                // its time is over there is nothing more to say.
                let until = Instant::now() + scope.timeout;
                let arrival = Arrival { mid: 0, ..arrival };
                self.running = Some(Running { arrival, future, until });
                return;
            }
        }
        scope.core.end_lane_call();
    }

    fn start_beside(&mut self, scope: &Scope<'_>, entry: &Arc<Entry>, arrival: &Arrival, body: &Body<'_>) {
        let (core, meters, mid, at) = (Arc::clone(scope.core), scope.meters.clone(), arrival.mid, arrival.at);
        let entry = Arc::clone(entry);
        let running = core.begin_concurrent_call();
        meters.started(&entry, at);
        let info = CallInfo {
            core: Arc::clone(&core),
            call: running.id(),
            mid,
            reply_to: arrival.reply_to(),
            entry: Arc::clone(&entry),
        };
        // Decoding is the user's code too, and the body is only borrowed: it happens here and now.
        let made = if entry.info.notify && mid != 0 {
            Err(Error::new(code::BAD_REQUEST, text::REQUEST_ON_NOTIFY))
        } else {
            std::panic::catch_unwind(AssertUnwindSafe(|| dispatch::call(&entry, info, body)))
                .unwrap_or_else(|panic| Err(panicked(entry.route(), &*panic)))
        };
        let timeout = scope.timeout;
        let task = async move {
            let done = match made {
                Ok(future) => {
                    match tokio::time::timeout(timeout, AssertUnwindSafe(future).catch_unwind()).await {
                        Ok(Ok(done)) => Ok(done),
                        Ok(Err(panic)) => Err(panicked(entry.route(), &*panic)),
                        Err(_) => Err(timed_out()),
                    }
                }
                Err(error) => Err(error),
            };
            meters.finished(Some(&entry), at, failure(&done));
            log(&core, entry.route(), failure(&done));
            if let (Err(error), true) = (done, mid != 0) {
                send_error(&core, mid, &error).await;
            }
            drop(running);
        };
        self.concurrent.get_or_insert_default().spawn(task);
    }
}

fn timed_out() -> Error {
    Error::new(code::TIMEOUT, text::HANDLER_TIMEOUT)
}

#[inline]
fn log(core: &Core, route: &str, error: Option<&Error>) {
    if let Some(error) = error {
        let source = std::error::Error::source(error);
        tracing::debug!(route, session = core.id(), %error, source, "a call failed");
    }
}
