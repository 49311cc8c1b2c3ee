//! The half of a node that makes calls: chooses a server, sends, and waits for the answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::time::Instant;

use super::binds::BindTable;
use super::encode_request::OutboundRequest;
use super::keyed::RefusedKeys;
use super::local_tables::LocalTables;
use super::metrics::ClusterMetrics;
use super::order::Order;
use super::protos::Place;
use super::response::{self, CallFailure};
use super::router::{Routers, Routing};
use super::selection::{Selection, SelectionContext, by_key, candidates, no_servers};
use super::suspects::Suspects;
use super::{Discovery, Server, Servers, Transport, TransportError, View};
use crate::binding::{Keeper, Lookup};
use crate::component::Shared;
use crate::context::{Caller, Current, Deadline};
use crate::error::{Error, Result, code, text};
use crate::span;
use crate::util::clock::Clock;

/// The parts of a node.
pub(crate) struct OutboundParts {
    pub(crate) own: Server,
    pub(crate) discovery: Box<dyn Discovery>,
    pub(crate) transport: Box<dyn Transport>,
    pub(crate) routers: Routers,
    pub(crate) limits: OutboundLimits,
    pub(crate) shared: Arc<Shared>,
    pub(crate) metrics: ClusterMetrics,
    pub(crate) clock: Clock,
    /// The binding storage, if the app has one.
    pub(crate) bindings: Option<Lookup>,
}

/// The limits of calls. Each is a configuration key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutboundLimits {
    /// How long a call waits for its answer, unless the caller sets another timeout.
    pub(crate) request: Duration,
    /// How long a handler or a remote may run, whatever the caller's timeout is.
    pub(crate) handler: Duration,
    /// How long a bind waits for the end of the sessions that it replaces.
    pub(crate) replace: Duration,
    /// Whether a user has one session at most on all servers of this type.
    pub(crate) unique: bool,
}

/// Makes the calls of this server, and publishes its messages.
///
/// It knows neither the sessions nor the components of this server: sessions and components hold it.
pub(crate) struct Outbound {
    own: ArcSwap<Server>,
    pub(super) caller: Caller,
    pub(super) servers: Arc<Servers>,
    pub(super) discovery: Box<dyn Discovery>,
    pub(super) transport: Box<dyn Transport>,
    routers: Routers,
    suspects: Suspects,
    /// The keys that other servers have refused.
    refused: Arc<RefusedKeys>,
    pub(super) limits: OutboundLimits,
    /// Runs keyed calls that select this server.
    pub(super) local: Arc<LocalTables>,
    pub(super) metrics: ClusterMetrics,
    pub(super) binds: BindTable,
    /// The clock of binds.
    pub(super) clock: Clock,
    bindings: Option<Lookup>,
    /// Stores the users of this frontend.
    pub(super) keeper: Option<Arc<Keeper>>,
    pub(super) order: Order,
}

impl Outbound {
    pub(crate) fn new(parts: OutboundParts) -> Arc<Self> {
        let OutboundParts { own, discovery, transport, routers, limits, shared, metrics, clock, bindings } =
            parts;
        let keeper = bindings.as_ref().filter(|_| own.frontend).map(|it| it.keeper(Arc::new(own.clone())));
        let outbound = Self {
            caller: Caller::new(&own.id, &own.server_type, limits.request),
            own: ArcSwap::from_pointee(own),
            servers: Arc::default(),
            discovery,
            transport,
            routers,
            suspects: Suspects::default(),
            refused: Arc::default(),
            limits,
            local: Arc::new(LocalTables::new(shared)),
            metrics,
            binds: BindTable::default(),
            clock,
            bindings,
            keeper,
            order: Order::new(),
        };
        outbound.metrics.watch(&outbound.servers);
        let refused = Arc::clone(&outbound.refused);
        outbound.servers.on_change(move |change| refused.forget(&change.server().id));
        Arc::new(outbound)
    }

    /// Returns this server as the others know it.
    pub(super) fn own(&self) -> Arc<Server> {
        self.own.load_full()
    }

    /// Returns the id of the frontend of a type that has a user, from the binding storage.
    pub(crate) async fn find_frontend(&self, frontend_type: &str, uid: &str) -> Result<Option<Arc<str>>> {
        match &self.bindings {
            Some(bindings) => Ok(bindings.find(frontend_type, uid).await?),
            None => Err(Error::new(code::UNKNOWN, text::NO_BINDING_STORAGE)),
        }
    }

    /// Changes the entry of this server in the registry.
    pub(super) async fn announce(&self, change: impl FnOnce(&mut Server)) -> Result<()> {
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
    pub(super) async fn send(
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

    /// Returns when this server has handled a message of another server, or after a limit.
    pub(super) async fn wait_until_handled(&self, place: Place) {
        if !self.order.received.wait_until_handled(place).await {
            self.metrics.order_timeout();
        }
    }

    /// Calls a remote of another server.
    pub(super) async fn call_server(
        &self,
        to: &Selection<'_>,
        route: &str,
        body: &[u8],
        current: &Current,
        timeout: Duration,
    ) -> Result<Bytes> {
        let own = self.own();
        let open =
            span::call(self.local.shared.runner.tracer(), route, (&to.server.id, &to.server.server_type));
        let metadata = span::inject(open.as_ref(), &current.metadata).encode_for_call(
            &self.caller,
            timeout,
            None,
            to.mark(),
        );
        let request = OutboundRequest { route, data: body, client: None, sender: &own, metadata: &metadata };
        match open {
            None => self.send(to, &request, timeout).await,
            Some(open) => open.run(self.send(to, &request, timeout)).await,
        }
    }

    /// Returns the next server for a key that a draining server has refused.
    pub(super) fn next_for_key<'k>(
        &self,
        route: &str,
        refused: Selection<'k>,
        tried: &mut Vec<Arc<str>>,
    ) -> Result<Selection<'k>> {
        let Selection { server, key, .. } = refused;
        let of = (route, &*server.server_type);
        let Some((key, _)) = key else { return Err(no_servers(of)) };
        tracing::debug!(server = %server.id, %key, "draining server refused the key, trying the next server");
        self.refused.note(&server.id, &key);
        tried.push(Arc::clone(&server.id));
        self.servers.look(|view| by_key(of, key, &self.selection_context(view, tried)))
    }

    /// Returns another server of the same type that is not suspect.
    fn alternative(&self, failed: &Server) -> Option<Arc<Server>> {
        let servers =
            |view: &View| self.suspects.choose(candidates(view, &failed.server_type)).map(Arc::clone);
        self.servers.look(servers)
    }

    pub(super) fn choose<'k>(&self, call: &Routing<'_>, key: Option<&'k str>) -> Result<Selection<'k>> {
        self.servers.look(|view| self.routers.choose(call, key, &self.selection_context(view, &[])))
    }

    fn selection_context<'a>(&'a self, view: &'a View, tried: &'a [Arc<str>]) -> SelectionContext<'a> {
        SelectionContext { view, suspects: &self.suspects, refused: &self.refused, tried }
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").field("own", &self.own.load()).finish_non_exhaustive()
    }
}
