//! Receives calls of clients and servers, pushes, kicks and announcements of binds.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use prost::Message as _;
use tokio::time::Instant;

use super::frontend_proxy::FrontendProxy;
use super::keyed::refusal;
use super::node::Node;
use super::protos::{BindMsg, KickAnswer, KickMsg, OrderedBroadcast, Push, Session as ProtoSession};
use super::request::{InboundRequest, ReplyMode, Target, session_data};
use super::response::{self, ACK};
use super::{Receiver, sys};
use crate::component::{
    ClientCall, EntryId, ReplySink, ReplySlot, SessionScope, Table, Tables, cut_off, end, run_remote,
    unknown_handler,
};
use crate::context::{Current, Deadline};
use crate::error::{Error, Result, code, text};
use crate::route;
use crate::serialize::Body;
use crate::session::{BackendSession, CloseReason, Side};
use crate::util::panic::panic_error;

/// Receives messages of the transport for a node.
pub(crate) struct Inbound(pub(crate) Arc<Node>);

impl Receiver for Inbound {
    fn request(&self, body: Bytes) -> BoxFuture<'static, Bytes> {
        let node = Arc::clone(&self.0);
        Box::pin(async move {
            let expose = node.pool.settings().expose_errors;
            let (since, call) = (node.order.sent.latest(), body.clone());
            let answer = response::write(node.answer(body).await, expose);
            node.order.sent.place_answer(answer, since, &call)
        })
    }

    fn push(&self, body: Bytes) -> Bytes {
        let node = &self.0;
        let result = Push::decode(body).map_err(|error| node.decode_error("push", &error)).and_then(|push| {
            let packet = node
                .pool
                .frame_push(&push.route, &push.data)
                .map_err(|error| node.decode_error("push", &error))?;
            let core =
                node.pool.by_uid(&push.uid).ok_or_else(|| sys::not_found(&format!("user `{}`", push.uid)))?;
            core.push(&push.route, &packet)
        });
        response::write(result.map(|()| ACK), false)
    }

    fn kick(&self, body: Bytes) -> Bytes {
        let node = &self.0;
        let kicked =
            KickMsg::decode(body).map_err(|error| node.decode_error("kick", &error)).is_ok_and(|kick| {
                node.pool.by_uid(&kick.user_id).is_some_and(|core| core.kick(CloseReason::Kicked))
            });
        KickAnswer { kicked }.encode_to_vec().into()
    }

    fn bound(&self, body: Bytes) {
        match BindMsg::decode(body) {
            Ok(news) => drop(self.0.apply_remote_bind(&news)),
            Err(error) => drop(self.0.decode_error("binding", &error)),
        }
    }

    fn broadcast(&self, body: Bytes) {
        let node = &self.0;
        match OrderedBroadcast::decode(body) {
            Ok(it) => {
                node.deliver_broadcast(&it);
                if let Some(place) = it.place {
                    node.order.received.handled(place);
                }
            }
            Err(error) => drop(node.decode_error("broadcast", &error)),
        }
    }

    fn reconnected(&self) {
        let node = Arc::clone(&self.0);
        self.0.spawn(async move { node.reannounce_binds().await });
    }
}

/// Decodes the route of a request again. Few requests need it that late.
#[cold]
fn decode_route(message: Bytes) -> String {
    InboundRequest::decode(message).map(|call| call.route).unwrap_or_default()
}

impl Node {
    /// Returns the tables of this server.
    ///
    /// # Errors
    /// `PIT-503` before the server serves.
    fn served_tables(&self) -> Result<Arc<Tables>> {
        let tables = self.serving.load(Relaxed).then(|| self.shared.served.get()).flatten();
        tables.ok_or_else(|| Error::new(code::UNAVAILABLE, "this server has not started yet"))
    }

    /// Pushes to the local ones of the users, or kicks them.
    fn deliver_broadcast(&self, it: &OrderedBroadcast) {
        let cores = it.uids.iter().filter_map(|uid| self.pool.by_uid(uid));
        if it.kick {
            for core in cores {
                core.kick(CloseReason::Kicked);
            }
            return;
        }
        match self.pool.frame_push(&it.route, &it.data) {
            // A session that does not accept it applies the outbox policy, which counts it.
            Ok(packet) => cores.for_each(|core| drop(core.push(&it.route, &packet))),
            Err(error) => drop(self.decode_error("broadcast", &error)),
        }
    }

    /// Counts a message that cannot be decoded. Returns the error for a sender that waits.
    fn decode_error(&self, what: &'static str, error: &dyn std::fmt::Display) -> Error {
        self.metrics.unreadable(what, error);
        Error::new(code::BAD_REQUEST, format!("cannot decode {what}: {error}"))
    }

    /// Finds the remote of a route. The server type in the route is ignored.
    pub(super) fn find_remote(&self, route: &str) -> Result<(Arc<Tables>, EntryId)> {
        let tables = self.served_tables()?;
        if let Some(id) = tables.remotes.find(route.as_bytes()) {
            return Ok((tables, id));
        }
        let short = route::without_server(route, &route::parse(route)?);
        match tables.remotes.find(short.as_bytes()) {
            Some(id) => Ok((tables, id)),
            None => Err(Error::new(code::NOT_FOUND, text::ROUTE_NOT_FOUND).with_metadata("route", short)),
        }
    }

    /// Finds the handler of a route. The server type in the route is ignored.
    fn find_handler(&self, handlers: &Table, route: &str) -> Result<EntryId> {
        if let Some(id) = handlers.find(route.as_bytes()) {
            return Ok(id);
        }
        let parts = route::parse(route)?;
        handlers
            .find(route::without_server(route, &parts).as_bytes())
            .ok_or_else(|| unknown_handler(parts.server.unwrap_or(&self.own().server_type), parts))
    }

    async fn answer(self: &Arc<Self>, body: Bytes) -> Result<Bytes> {
        let (arrived, message) = (Instant::now(), body.clone());
        let mut call =
            InboundRequest::decode(body).inspect_err(|error| self.metrics.unreadable("request", error))?;
        if call.metadata.key_mark().is_some_and(|key| !self.admission.takes(key)) {
            return Err(refusal(&self.own().id));
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
        let ends = end(started, self.limits.handler);
        let until = deadline.at().map_or(ends, |at| at.min(ends));
        match tokio::time::timeout_at(until, &mut work).await {
            Ok(result) => result,
            Err(_) if until == ends => Err(cut_off(&decode_route(message))),
            Err(_) => {
                self.spawn(async move {
                    if tokio::time::timeout_at(ends, work).await.is_err() {
                        drop(cut_off(&decode_route(message)));
                    }
                });
                over()
            }
        }
    }

    async fn serve_remote(self: Arc<Self>, route: String, data: Bytes, current: Current) -> Result<Bytes> {
        if let Some(serving) = sys::serve(&self, &route, &data) {
            return serving.await;
        }
        let (tables, id) = self.find_remote(&route)?;
        let started = std::time::Instant::now();
        let result = run_remote(tables, id, &data, current, self.shared.runner.tracer()).await;
        self.metrics.served(id, started, result.as_ref().err());
        result
    }

    async fn serve_handler(
        self: Arc<Self>,
        session: ProtoSession,
        waits: ReplyMode,
        (route, frontend_id, body): (String, String, Bytes),
        current: Current,
    ) -> Result<Bytes> {
        let tables = self.served_tables()?;
        let id = self.find_handler(&tables.handlers, &route)?;
        let entry = tables.handlers.entry(id);
        let waits_for_reply = matches!(waits, ReplyMode::Request(_));
        if waits_for_reply && entry.info.notify {
            return Err(Error::new(code::BAD_REQUEST, text::REQUEST_ON_NOTIFY));
        }
        let data = session_data(&session.data)?;
        let uid = (!session.uid.is_empty()).then_some(&*session.uid);
        let owner = FrontendProxy::new(&self, &frontend_id, current.clone());
        let session = u64::try_from(session.id).unwrap_or_default();
        let session = BackendSession::new(session, &frontend_id, uid, data, Box::new(owner), current.clone());
        let scope = SessionScope::new(Side::Backend(session), tables);
        let entry = scope.tables.handlers.entry(id);
        let slot = waits_for_reply.then(ReplySlot::default);
        let reply = slot.clone().map_or(ReplySink::None, ReplySink::Caller);
        let client =
            ClientCall { scope: Arc::clone(&scope), call: 0, reply, entry: id, no_hooks: entry.no_hooks() };
        let started = std::time::Instant::now();
        let work = async { entry.call_handler(client, &Body::shared(&body)).await };
        let result = current
            .scope(AssertUnwindSafe(work).catch_unwind())
            .await
            .unwrap_or_else(|panic| Err(panic_error(entry.route(), &*panic)));
        self.metrics.handled(id, started, result.as_ref().err());
        result?;
        Ok(slot.map_or(ACK, |slot| slot.take()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Forwarded;

    /// Futures that each call boxes. glibc's allocator, for one, takes a slower path beyond 1032 bytes.
    #[test]
    fn futures_of_calls_are_small() {
        fn remote<F>(_: fn(Arc<Node>, String, Bytes, Current) -> F) -> usize {
            size_of::<F>()
        }
        fn forward<F>(_: fn(Arc<Node>, Forwarded, String) -> F) -> usize {
            size_of::<F>()
        }
        let sizes = (remote(Node::serve_remote), forward(Node::forward));
        assert!(sizes.0 <= 1024 && sizes.1 <= 1024, "{sizes:?}");
    }
}
