//! The half of a node that serves calls of clients and servers.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::task::Poll;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::keyed::refusal;
use super::local_sessions::LocalSessions;
use super::local_tables::LocalTables;
use super::outbound::Outbound;
use super::protos::Session as ProtoSession;
use super::request::{InboundRequest, ReplyMode, Target, session_data};
use super::response::{self, ACK};
use super::{Receiver, sys};
use crate::binding::Replaced;
use crate::component::{ClientCall, ReplySink, ReplySlot, SessionScope, cut_off, end, run_remote};
use crate::context::{Current, Deadline};
use crate::error::{Error, Result, code, text};
use crate::peers::FrontendCall;
use crate::serialize::Body;
use crate::session::{BackendSession, Pool, Side};
use crate::util::panic::panic_error;

/// Serves the calls of other servers, on the sessions and the tables of this server.
pub(super) struct Inbound {
    outbound: Arc<Outbound>,
    local: Arc<LocalTables>,
    sessions: LocalSessions,
    reannouncing: Passes,
}

/// Runs one pass of some work at a time. Requests during a pass are answered by one further pass.
#[derive(Debug, Default)]
struct Passes(AtomicU8);

impl Passes {
    const IDLE: u8 = 0;
    const RUNNING: u8 = 1;
    const REQUESTED: u8 = 2;

    /// Requests a pass. Returns whether the caller must [`run`](Self::run).
    fn request(&self) -> bool {
        self.0.swap(Self::REQUESTED, Relaxed) == Self::IDLE
    }

    async fn run<F: Future<Output = ()>>(&self, pass: impl Fn() -> F) {
        loop {
            self.0.store(Self::RUNNING, Relaxed);
            pass().await;
            if self.0.compare_exchange(Self::RUNNING, Self::IDLE, Relaxed, Relaxed).is_ok() {
                return;
            }
        }
    }
}

impl Inbound {
    pub(super) fn new(outbound: Arc<Outbound>, pool: Arc<Pool>) -> Arc<Self> {
        let local = Arc::clone(&outbound.local);
        let sessions = LocalSessions::new(pool, Arc::clone(&outbound));
        Arc::new(Self { sessions, local, outbound, reannouncing: Passes::default() })
    }

    /// Spawns work that a stop waits for.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.local.shared.runner.spawn(work);
    }

    /// Tells the frontend that had a user in the binding storage about the bind here.
    pub(super) async fn tell_replaced(&self, other: &Replaced) {
        if let Some(replaced) = self.outbound.announce_bind_to_previous(other).await {
            self.sessions.pool().kick_replaced(&replaced);
        }
    }

    async fn answer(self: &Arc<Self>, body: Bytes) -> Result<Bytes> {
        let (arrived, message) = (Instant::now(), body.clone());
        let mut call = InboundRequest::decode(body)
            .inspect_err(|error| self.outbound.metrics.unreadable("request", error))?;
        if call.metadata.key_mark().is_some_and(|key| !self.local.admission.takes(key)) {
            return Err(refusal(&self.local.shared.server_id));
        }
        call.metadata.ensure_request_id();
        let deadline = Deadline::after(call.metadata.timeout(), arrived);
        let current = Current { metadata: call.metadata, deadline };
        match call.target {
            Target::Remote => {
                // Boxed where it is made, because it is large and would be copied into its owner.
                let work = Box::pin(Arc::clone(self).serve_remote(call.route, call.data, current));
                self.run_until_deadline(message, arrived, deadline, work).await
            }
            Target::Handler { session, waits } => {
                let work = Box::pin(Arc::clone(self).serve_handler(
                    session,
                    waits,
                    (call.route, call.frontend_id, call.data),
                    current,
                ));
                self.run_until_deadline(message, arrived, deadline, work).await
            }
        }
    }

    /// Runs a call until its caller's deadline or `pitaya.handler.timeout`.
    ///
    /// A caller whose deadline has passed gets an error, and the call continues without it: only the timeout of
    /// handlers aborts a handler.
    async fn run_until_deadline(
        &self,
        message: Bytes,
        started: Instant,
        deadline: Deadline,
        mut work: BoxFuture<'static, Result<Bytes>>,
    ) -> Result<Bytes> {
        let over = || Err(Error::new(code::INTERNAL, text::RPC_TIMEOUT));
        if deadline.is_over(started) {
            return over();
        }
        // Most calls finish with the first poll and need no timer.
        if let Poll::Ready(result) = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
            return result;
        }
        let ends = end(started, self.outbound.limits.handler);
        let until = deadline.at().map_or(ends, |at| at.min(ends));
        match tokio::time::timeout_at(until, &mut work).await {
            Ok(result) => result,
            Err(_) if until == ends => Err(cut_off(&decode_route(message))),
            Err(_) => {
                self.local.shared.runner.spawn(async move {
                    if tokio::time::timeout_at(ends, work).await.is_err() {
                        drop(cut_off(&decode_route(message)));
                    }
                });
                over()
            }
        }
    }

    async fn serve_remote(self: Arc<Self>, route: String, data: Bytes, current: Current) -> Result<Bytes> {
        if let Some(serving) = sys::serve(&self.sessions, &route, &data) {
            return serving.await;
        }
        let (tables, id) = self.local.find_remote(&route)?;
        let started = std::time::Instant::now();
        let result = run_remote(tables, id, &data, current, self.local.shared.runner.tracer()).await;
        self.outbound.metrics.served(id, started, result.as_ref().err());
        result
    }

    async fn serve_handler(
        self: Arc<Self>,
        session: ProtoSession,
        waits: ReplyMode,
        (route, frontend_id, body): (String, String, Bytes),
        current: Current,
    ) -> Result<Bytes> {
        let tables = self.local.get()?;
        let entry_id = self.local.find_handler(&tables.handlers, &route)?;
        let entry = tables.handlers.entry(entry_id);
        let waits_for_reply = matches!(waits, ReplyMode::Request(_));
        if waits_for_reply && entry.info.notify {
            return Err(Error::new(code::BAD_REQUEST, text::REQUEST_ON_NOTIFY));
        }
        let data = session_data(&session.data)?;
        let uid = (!session.uid.is_empty()).then_some(&*session.uid);
        let id = u64::try_from(session.id).unwrap_or_default();
        let since = self.outbound.order.sent.latest();
        let call = FrontendCall { frontend_id: frontend_id.into(), current: current.clone(), since };
        let session = BackendSession::new(id, uid, data, call, Arc::clone(self.sessions.pool()));
        let scope = SessionScope::new(Side::Backend(session), tables);
        let entry = scope.tables.handlers.entry(entry_id);
        let slot = waits_for_reply.then(ReplySlot::default);
        let reply = slot.clone().map_or(ReplySink::None, ReplySink::Caller);
        let client = ClientCall {
            scope: Arc::clone(&scope),
            call: 0,
            reply,
            entry: entry_id,
            no_hooks: entry.no_hooks(),
        };
        let started = std::time::Instant::now();
        let work = async { entry.call_handler(client, &Body::shared(&body)).await };
        let result = current
            .scope(AssertUnwindSafe(work).catch_unwind())
            .await
            .unwrap_or_else(|panic| Err(panic_error(entry.route(), &*panic)));
        self.outbound.metrics.handled(entry_id, started, result.as_ref().err());
        result?;
        Ok(slot.map_or(ACK, |slot| slot.take()))
    }
}

/// The receiver of a transport. The node owns the inbound half, because a transport may keep its receiver after it is
/// closed.
pub(super) struct InboundReceiver(Weak<Inbound>);

impl InboundReceiver {
    pub(super) fn new(inbound: &Arc<Inbound>) -> Self {
        Self(Arc::downgrade(inbound))
    }
}

impl Receiver for InboundReceiver {
    fn request(&self, body: Bytes) -> BoxFuture<'static, Bytes> {
        let inbound = self.0.upgrade();
        Box::pin(async move {
            let Some(inbound) = inbound else { return stopped() };
            let expose = inbound.sessions.pool().settings().expose_errors;
            let sent = &inbound.outbound.order.sent;
            let (since, call) = (sent.latest(), body.clone());
            let answer = response::write(inbound.answer(body).await, expose);
            sent.place_answer(answer, since, &call)
        })
    }

    fn push(&self, body: Bytes) -> Bytes {
        self.0.upgrade().map_or_else(stopped, |inbound| inbound.sessions.push(body))
    }

    fn kick(&self, body: Bytes) -> Bytes {
        self.0.upgrade().map_or_else(stopped, |inbound| inbound.sessions.kick(body))
    }

    fn bound(&self, body: Bytes) {
        if let Some(inbound) = self.0.upgrade() {
            inbound.sessions.bound(body);
        }
    }

    fn broadcast(&self, body: Bytes) {
        if let Some(inbound) = self.0.upgrade() {
            inbound.sessions.broadcast(body);
        }
    }

    fn reconnected(&self) {
        if let Some(inbound) = self.0.upgrade()
            && inbound.reannouncing.request()
        {
            let runner = &Arc::clone(&inbound.local.shared).runner;
            runner
                .spawn(async move { inbound.reannouncing.run(|| inbound.outbound.reannounce_binds()).await });
        }
    }

    fn binds(&self) -> Vec<Bytes> {
        self.0.upgrade().map_or_else(Vec::new, |inbound| inbound.outbound.bind_announcements())
    }
}

fn stopped() -> Bytes {
    response::write(Err(Error::new(code::UNAVAILABLE, "this server has stopped")), false)
}

/// Decodes the route of a request again. Few requests need it that late.
#[cold]
fn decode_route(message: Bytes) -> String {
    InboundRequest::decode(message).map(|call| call.route).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_during_a_pass_cause_one_more() {
        let (passes, ran) = (Passes::default(), std::cell::Cell::new(0));
        let pass = || async {
            ran.set(ran.get() + 1);
            for _ in 0..5 * usize::from(ran.get() == 1) {
                assert!(!passes.request());
            }
        };
        assert!(passes.request());
        passes.run(&pass).await;
        assert_eq!(ran.get(), 2);
        assert!(passes.request());
        passes.run(&pass).await;
        assert_eq!(ran.get(), 3);
    }

    /// The allocator of glibc, for one, takes a slower path beyond 1032 bytes.
    #[test]
    fn future_of_a_remote_is_small() {
        fn size<F>(_: fn(Arc<Inbound>, String, Bytes, Current) -> F) -> usize {
            size_of::<F>()
        }
        let size = size(Inbound::serve_remote);
        assert!(size <= 1024, "{size}");
    }
}
