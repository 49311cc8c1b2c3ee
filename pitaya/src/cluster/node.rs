//! This server's place in the cluster, and the calls it makes.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::encode_request::{ClientMessage, OutboundRequest};
use super::keyed::{Admission, RefusedKeys, refusal};
use super::metrics::ClusterMetrics;
use super::order::Order;
use super::request::ReplyMode;
use super::response::{self, CallFailure};
use super::router::{self, Routers, Routing, Selection, SelectionContext};
use super::server::DRAINING;
use super::suspects::Suspects;
use super::{Discovery, Forwarded, Inbound, Server, Servers, Transport, TransportError, View};
use crate::component::{RemoteRequest, RemoteTarget, Shared, Tables, run_remote};
use crate::context::{Caller, Current, Deadline, Metadata};
use crate::error::{Error, Result, code, text};
use crate::route;
use crate::session::{Directory, Pool, Session};
use crate::span;
use crate::util::clock::Clock;

/// The parts of a node.
pub(crate) struct Parts {
    pub(crate) own: Server,
    pub(crate) discovery: Box<dyn Discovery>,
    pub(crate) transport: Box<dyn Transport>,
    pub(crate) routers: Routers,
    pub(crate) limits: Limits,
    pub(crate) shared: Arc<Shared>,
    pub(crate) metrics: ClusterMetrics,
    pub(crate) clock: Clock,
}

/// The limits of calls. Each is a configuration key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How long a call waits for its answer, unless the caller sets another timeout.
    pub(crate) request: Duration,
    /// How long a handler or a remote may run, whatever the caller's timeout is.
    pub(crate) handler: Duration,
    /// Whether a user has one session at most on all servers of this type.
    pub(crate) unique: bool,
}

/// This server in its cluster.
pub(crate) struct Node {
    own: ArcSwap<Server>,
    caller: Caller,
    pub(super) servers: Arc<Servers>,
    pub(super) discovery: Box<dyn Discovery>,
    pub(super) transport: Box<dyn Transport>,
    routers: Routers,
    suspects: Suspects,
    /// Decides which keyed calls this server accepts.
    pub(super) admission: Admission,
    /// The keys that other servers have refused.
    refused: Arc<RefusedKeys>,
    pub(super) limits: Limits,
    pub(super) pool: Arc<Pool>,
    pub(super) shared: Arc<Shared>,
    /// Whether calls of other servers are served.
    pub(super) serving: AtomicBool,
    pub(super) metrics: ClusterMetrics,
    pub(super) binds: super::presence::BindTable,
    /// The clock of binds.
    pub(super) clock: Clock,
    pub(super) order: Order,
}

impl Node {
    /// Makes the node, and with it the pool of sessions, which reports binds to the node.
    pub(crate) fn new(parts: Parts, pool: impl FnOnce(Weak<dyn Directory>) -> Arc<Pool>) -> Arc<Self> {
        let Parts { own, discovery, transport, routers, limits, shared, metrics, clock } = parts;
        let node = Arc::new_cyclic(|node: &Weak<Self>| Self {
            caller: Caller::new(&own.id, &own.server_type, limits.request),
            own: ArcSwap::from_pointee(own),
            servers: Arc::default(),
            discovery,
            transport,
            routers,
            suspects: Suspects::default(),
            admission: Admission::default(),
            refused: Arc::default(),
            limits,
            pool: pool(node.clone()),
            shared,
            serving: AtomicBool::new(false),
            metrics,
            binds: super::presence::BindTable::default(),
            clock,
            order: Order::new(),
        });
        node.metrics.watch(&node.servers);
        let refused = Arc::clone(&node.refused);
        node.servers.on_change(move |change| refused.forget(&change.server().id));
        node
    }

    /// Runs a task until it finishes or the server is killed.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.shared.runner.spawn(work);
    }

    /// Returns this server as the others know it.
    pub(crate) fn own(&self) -> Arc<Server> {
        self.own.load_full()
    }

    pub(crate) fn servers(&self) -> &Arc<Servers> {
        &self.servers
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    pub(crate) fn transport(&self) -> &dyn Transport {
        &*self.transport
    }

    /// Reports the counters of the transport and of discovery.
    pub(crate) fn sample(&self) {
        self.metrics.dropped(self.transport.dropped());
        self.metrics.counted(self.transport.counters());
        self.metrics.counted(self.discovery.counters());
    }

    /// Connects the transport. From then on this server can call, and answers calls with `PIT-503` until it serves.
    pub(crate) async fn connect(self: &Arc<Self>) -> Result<()> {
        let receiver = Arc::new(Inbound(Arc::clone(self)));
        self.transport.start(self.own(), receiver).await.map_err(|error| {
            Error::new(code::UNAVAILABLE, format!("the transport of the cluster did not start: {error}"))
                .with_source(error)
        })
    }

    /// Registers this server, and reads the list of servers.
    pub(crate) async fn join(&self) -> Result<()> {
        self.discovery.join(self.own(), Arc::clone(&self.servers)).await
    }

    /// Announces that this server accepts no new work.
    pub(crate) async fn announce_draining(&self) {
        self.admission.drain();
        let told =
            self.announce(|own| drop(own.metadata.insert(DRAINING.to_owned(), "true".to_owned()))).await;
        if let Err(error) = told {
            tracing::warn!(%error, "failed to announce that this server drains");
        }
    }

    /// Leaves the registry. Returns when other servers have had time to see it.
    pub(crate) async fn leave(&self) {
        self.discovery.leave().await;
    }

    /// Sends queued messages, and closes the transport and discovery.
    pub(crate) async fn close(&self) {
        self.transport.close().await;
        self.discovery.close().await;
    }

    pub(crate) async fn is_ready(&self) -> bool {
        self.transport.is_connected() && self.discovery.is_ready().await
    }

    /// Returns the part of the cluster that is unreachable, `None` if all are reachable.
    #[cfg(feature = "http")]
    pub(crate) async fn unreachable(&self) -> Option<&'static str> {
        if !self.transport.is_connected() {
            return Some("the transport is not connected");
        }
        (!self.discovery.is_ready().await).then_some("the discovery is not connected")
    }

    /// Starts to serve calls. Before, callers get `PIT-503`.
    pub(crate) fn serve(&self, tables: &Tables) {
        self.metrics.serve(tables);
        self.serving.store(true, Relaxed);
    }

    /// Changes the entry of this server in the registry.
    async fn announce(&self, change: impl FnOnce(&mut Server)) -> Result<()> {
        let mut own = (*self.own()).clone();
        change(&mut own);
        let own = Arc::new(own);
        self.own.store(Arc::clone(&own));
        self.discovery.announce(own).await
    }

    /// Returns how long a call may wait: the wanted time, limited by the deadline of the current call.
    pub(super) fn call_timeout(&self, wanted: Option<Duration>, deadline: Deadline) -> Duration {
        deadline.within(wanted.unwrap_or(self.limits.request), Instant::now()).unwrap_or_default()
    }

    /// Sends a call and waits for its answer. Without a responder, a randomly routed call goes to another server.
    async fn send(
        &self,
        to: &Selection<'_>,
        request: &OutboundRequest<'_>,
        timeout: Duration,
    ) -> Result<Bytes> {
        let (mut to, is_random) = (Arc::clone(&to.server), to.is_random);
        let (route, started) = (request.route, Instant::now());
        let mut left = timeout;
        let answer = loop {
            if left.is_zero() {
                break Err(TransportError::Timeout);
            }
            let answer = self.transport.request(&to, request.encode(), left).await;
            if answer != Err(TransportError::NoResponders) {
                break answer;
            }
            self.suspects.note(&to.id);
            let Some(other) = is_random.then(|| self.alternative(&to)).flatten() else { break answer };
            tracing::debug!(route, server = %to.id, %other.id, "no responders, retrying on another server");
            to = other;
            left = timeout.saturating_sub(started.elapsed());
        };
        let result = match answer {
            Ok(bytes) => {
                let (result, after) = response::read_ordered(bytes);
                if let Some(place) = after {
                    self.wait_until_handled(place).await;
                }
                result
            }
            Err(why) => {
                let error = CallFailure { route, timeout, caller: &self.own.load(), callee: &to }.error(why);
                tracing::debug!(route, server = %to.id, %error, "call failed without an answer");
                Err(error)
            }
        };
        self.metrics.called(route, started.into_std(), result.as_ref().err());
        result
    }

    /// Calls a remote of another server.
    pub(super) async fn call(
        &self,
        to: &Selection<'_>,
        route: &str,
        body: &[u8],
        current: &Current,
        timeout: Duration,
    ) -> Result<Bytes> {
        let own = self.own();
        let open = span::call(self.shared.runner.tracer(), route, (&to.server.id, &to.server.server_type));
        let metadata = span::inject(open.as_ref(), &current.metadata).encode_for_call(
            &self.caller,
            timeout,
            None,
            to.mark(),
        );
        let request = OutboundRequest { route, data: body, client: None, sender: &own, metadata: &metadata };
        match open {
            None => self.send(to, &request, timeout).await,
            Some(open) => Box::pin(open.run(self.send(to, &request, timeout))).await,
        }
    }

    /// Calls a remote of the server that the route, the id or the key selects.
    async fn call_remote(&self, request: RemoteRequest) -> Result<Bytes> {
        let RemoteRequest { route, body, server_id, key, timeout, current } = request;
        let server_type = route::parse(&route)
            .map_err(|error| error.about(&route))?
            .server
            .ok_or_else(|| Error::new(code::UNKNOWN, text::NO_SERVER_TYPE).with_metadata("route", &*route))?;
        let own = self.own();
        let nonsense = || {
            // Go Pitaya's answer has no metadata, so the log has the details.
            let detail = format!(
                "`{route}` is a route of this server's own type: pin the call with `.to_server(id)` or `.by_key(key)`"
            );
            Error::new(code::UNKNOWN, text::RPC_MAY_BE_LOCAL).with_source(detail)
        };
        let mut to = match (&server_id, &key) {
            (Some(id), _) if **id == *own.id => return Err(nonsense()),
            (Some(id), _) => self.servers.get(id).map(Selection::fixed).ok_or_else(|| {
                Error::new(code::UNKNOWN, text::SERVER_NOT_FOUND)
                    .with_metadata("route", &*route)
                    .with_metadata("server", &**id)
            })?,
            (None, None) if *server_type == *own.server_type => return Err(nonsense()),
            (None, key) => {
                let call = Routing {
                    server_type,
                    route: &route,
                    payload: &body,
                    session: None,
                    context: &current.metadata,
                    servers: &[],
                };
                self.choose(&call, key.as_deref())?
            }
        };
        let timeout = self.call_timeout(timeout, current.deadline);
        let (mut left, began) = (timeout, to.key.is_some().then(Instant::now));
        let mut tried = Vec::new();
        loop {
            let result = match to.mark() {
                _ if to.server.id != own.id => self.call(&to, &route, &body, &current, left).await,
                Some(key) if !self.admission.takes(key) => Err(refusal(&own.id)),
                // The key has selected this server itself.
                _ => self.call_own_remote(&route, body.clone(), current.clone(), left).await,
            };
            match result {
                Err(error) if to.is_refused(&error) => to = self.next_for_key(&route, to, &mut tried)?,
                result => return result,
            }
            left = timeout.saturating_sub(began.map(|began| began.elapsed()).unwrap_or_default());
        }
    }

    /// Returns the next server for a key that a draining server has refused.
    fn next_for_key<'k>(
        &self,
        route: &str,
        refused: Selection<'k>,
        tried: &mut Vec<Arc<str>>,
    ) -> Result<Selection<'k>> {
        let Selection { server, key, .. } = refused;
        let of = (route, &*server.server_type);
        let Some((key, _)) = key else { return Err(router::no_servers(of.0, of.1)) };
        tracing::debug!(server = %server.id, %key, "draining server refused the key, trying the next server");
        self.refused.note(&server.id, &key);
        tried.push(Arc::clone(&server.id));
        self.servers.look(|view| router::by_key(of, key, &self.selection_context(view, tried)))
    }

    /// Calls a remote of this server itself, with the limits of a remote call.
    async fn call_own_remote(
        &self,
        route: &str,
        body: Bytes,
        current: Current,
        timeout: Duration,
    ) -> Result<Bytes> {
        let late = || {
            let own = self.own();
            let unanswered = CallFailure { route, timeout, caller: &own, callee: &own };
            Err(unanswered.error(TransportError::Timeout))
        };
        if timeout.is_zero() {
            return late();
        }
        let deadline = Deadline::after(Some(timeout), Instant::now());
        let (tables, id) = self.find_remote(route)?;
        let current = Current { deadline, ..current };
        let called = Arc::clone(&tables.remotes.entry(id).route);
        let tracer = self.shared.runner.tracer().cloned();
        let work = Box::pin(async move { run_remote(tables, id, &body, current, tracer.as_ref()).await });
        self.shared.runner.run(&called, work, deadline.at()).await.unwrap_or_else(late)
    }

    /// Forwards a message of a client.
    ///
    /// Its future is boxed for each message and kept below 1 KiB, beyond which allocators take a slower path.
    pub(super) async fn forward(self: Arc<Self>, message: Forwarded, request_id: String) -> Result<Bytes> {
        let Forwarded { core, route, body, mid } = message;
        let own = self.own();
        let context = Metadata::new();
        let session = Session::new(Arc::clone(&core), 0);
        let call = Routing {
            server_type: route::parse(&route)?.server.unwrap_or_default(),
            route: &route,
            payload: &body,
            session: Some(&session),
            context: &context,
            servers: &[],
        };
        let mut to = self.choose(&call, None)?;
        let (mut left, began) = (self.limits.request, to.key.is_some().then(Instant::now));
        let (uid, data) = (core.uid(), core.data().json());
        let client = ClientMessage {
            session: i64::try_from(core.id()).unwrap_or(i64::MAX),
            uid: uid.as_deref().unwrap_or_default(),
            data: &data,
            waits: if mid == 0 { ReplyMode::Notify } else { ReplyMode::Request(mid) },
        };
        let mut tried = Vec::new();
        loop {
            let open =
                span::call(self.shared.runner.tracer(), &route, (&to.server.id, &to.server.server_type));
            let metadata = span::inject(open.as_ref(), &context).encode_for_call(
                &self.caller,
                left,
                Some(&request_id),
                to.mark(),
            );
            let (client, metadata) = (Some(client), &metadata);
            let request = OutboundRequest { route: &route, data: &body, client, sender: &own, metadata };
            let result = match open {
                None => self.send(&to, &request, left).await,
                Some(open) => Box::pin(open.run(self.send(&to, &request, left))).await,
            };
            match result {
                Err(error) if to.is_refused(&error) => to = self.next_for_key(&route, to, &mut tried)?,
                result => return result,
            }
            let spent = began.map(|began| began.elapsed()).unwrap_or_default();
            left = self.limits.request.saturating_sub(spent);
        }
    }

    /// Returns another server of the same type that is not suspect.
    fn alternative(&self, failed: &Server) -> Option<Arc<Server>> {
        let servers =
            |view: &View| self.suspects.choose(router::candidates(view, &failed.server_type)).map(Arc::clone);
        self.servers.look(servers)
    }

    fn choose<'k>(&self, call: &Routing<'_>, key: Option<&'k str>) -> Result<Selection<'k>> {
        self.servers.look(|view| self.routers.choose(call, key, &self.selection_context(view, &[])))
    }

    fn selection_context<'a>(&'a self, view: &'a View, tried: &'a [Arc<str>]) -> SelectionContext<'a> {
        SelectionContext { view, suspects: &self.suspects, refused: &self.refused, tried }
    }
}

/// A handle of the node, for the modules that send through it.
#[derive(Debug, Clone)]
pub(crate) struct Cluster(pub(crate) Arc<Node>);

impl RemoteTarget for Cluster {
    fn call(&self, request: RemoteRequest) -> BoxFuture<'_, Result<Bytes>> {
        match span::rpc(&request.route, request.server_id.as_deref(), &request.current) {
            None => Box::pin(self.0.call_remote(request)),
            Some(span) => Box::pin(span.run(self.0.call_remote(request))),
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("own", &self.own.load()).finish_non_exhaustive()
    }
}
