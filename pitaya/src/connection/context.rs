//! The shared context of the connections of an app, and the set-up of a connection.

use std::future::ready;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::call_limits::CallLimits;
use super::failure_log::FailureLog;
use super::metrics::{ConnectionMetrics, RouteLabel};
use super::{Connection, HandshakePolicy, machine};
use crate::acceptor::{IncomingConnection, OpenError, Opened};
use crate::cluster::{Forwarded, Outbound};
use crate::component::{Entry, EntryId, Tables, Target, handler_not_found};
use crate::error::Result;
use crate::session::{CloseReason, FrontendSession, Pool, Via};
use crate::util::panic::panic_error;
use crate::util::throttle::throttled;
use crate::wire::zlib;

/// The limits of connections. Each is a configuration key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionLimits {
    pub(crate) machine: machine::Limits,
    /// The time for the set-up before the first packet: PROXY header, TLS, HTTP upgrade.
    pub(crate) header: Duration,
    /// The time for a client to take something of what is written.
    pub(crate) write: Duration,
    /// The time for a handler.
    pub(crate) handler: Duration,
    /// Queued messages of one session.
    pub(crate) pending: usize,
    /// The bytes of their bodies.
    pub(crate) pending_bytes: usize,
    /// Concurrent handlers of one session.
    pub(crate) concurrent: usize,
    /// Messages for other servers start on arrival, as those of concurrent routes do.
    pub(crate) concurrent_forward: bool,
    /// Bytes of an inflated body.
    pub(crate) inflated: usize,
    /// Open connections; 0 means no limit.
    pub(crate) connections: usize,
}

/// Serves the connections of an app, and holds what they share.
#[derive(Debug)]
pub(crate) struct ConnectionContext {
    pub(crate) pool: Arc<Pool>,
    pub(crate) server_type: Box<str>,
    pub(crate) tables: Arc<Tables>,
    /// Where messages for servers of other types go. `None` in a standalone server.
    pub(crate) cluster: Option<Arc<Outbound>>,
    pub(crate) handshake_policy: HandshakePolicy,
    pub(crate) limits: ConnectionLimits,
    pub(crate) call_limits: Option<CallLimits>,
    pub(crate) metrics: ConnectionMetrics,
    pub(crate) failure_log: FailureLog,
    pub(crate) tasks: TaskTracker,
    /// Cancelled when the app stops: no new sessions.
    pub(crate) stopping: CancellationToken,
    /// Cancelled at the shutdown timeout: closed sessions are aborted.
    pub(crate) kill: CancellationToken,
    pub(crate) open: AtomicUsize,
}

/// Counts an open connection while its socket exists.
struct Counted(Arc<ConnectionContext>);

impl Counted {
    fn new(context: &Arc<ConnectionContext>) -> Option<Self> {
        let open = context.open.fetch_add(1, Relaxed);
        let counted = Self(Arc::clone(context));
        let bound = context.limits.connections;
        (bound == 0 || open < bound).then_some(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

impl ConnectionContext {
    /// Spawns the task of an accepted connection.
    pub(crate) fn serve(self: &Arc<Self>, incoming: IncomingConnection) {
        let accepted = Instant::now();
        let Some(counted) = Counted::new(self) else {
            throttled!(
                self.pool.log(),
                warn,
                "refused connections",
                peer = %incoming.peer(),
                "refused a connection: `pitaya.limit.connections` is reached"
            );
            self.metrics.record_rejected("limit");
            return;
        };
        let context = Arc::clone(self);
        self.tasks.spawn(async move {
            // The set-up is boxed, so that the future of a running connection does not have its size.
            let opened = Box::pin(Arc::clone(&context).begin(incoming, accepted)).await;
            if let Some(connection) = opened {
                connection.run(counted).await;
            }
        });
    }

    /// Sets up a connection, unless the app stops first. A panic in user code only drops this client.
    async fn begin(self: Arc<Self>, incoming: IncomingConnection, accepted: Instant) -> Option<Connection> {
        let (context, stopping) = (Arc::clone(&self), self.stopping.clone());
        let open = AssertUnwindSafe(self.open(incoming, accepted)).catch_unwind();
        tokio::select! {
            biased;
            () = stopping.cancelled() => None,
            opened = open => opened.unwrap_or_else(|panic| {
                panic_error("the set-up of a connection", &*panic);
                context.metrics.record_rejected("panic");
                None
            }),
        }
    }

    async fn open(self: Arc<Self>, incoming: IncomingConnection, accepted: Instant) -> Option<Connection> {
        let peer = incoming.peer().clone();
        let opened = match incoming.open(self.limits.header).await {
            Ok(opened) => opened,
            Err(OpenError::Probe { status }) => {
                tracing::trace!(%peer, status, "answered a probe");
                return None;
            }
            Err(error) => {
                if let OpenError::Untrusted(_) = error {
                    throttled!(self.pool.log(), warn, "untrusted proxies", %error, "refused a connection");
                }
                tracing::debug!(%peer, %error, "failed to set up a connection");
                self.metrics.record_rejected(error.label());
                return None;
            }
        };
        let Opened { link, peer, socket_peer, filters, serializer } = opened;
        let upgrade = peer.upgrade().cloned();
        let via = (upgrade.is_some() || peer != socket_peer)
            .then(|| Via { peer_addr: socket_peer.address().into(), upgrade });
        let session = self.pool.create_via(peer.address(), via);
        session.outbox().hold();
        if let Some(serializer) = &serializer {
            session.fix_serializer(serializer);
        }
        if self.stopping.is_cancelled() {
            // The stop has closed only the sessions that existed then.
            session.close(CloseReason::Shutdown);
        }
        if let Err(error) = session.data().set("ipversion", peer.ip_version()) {
            throttled!(self.pool.log(), error, "session data", %error, "failed to set `ipversion`");
        }
        self.metrics.connected(self.pool.count());
        Some(Connection::new(self, session, link, filters, accepted))
    }

    /// Returns the target of a route as it came from the client.
    #[inline]
    pub(super) fn resolve(&self, route: &[u8]) -> Target {
        self.tables.resolve(route, &self.server_type, self.cluster.is_some())
    }

    /// Returns a handler.
    #[inline]
    pub(super) fn entry(&self, id: EntryId) -> &Entry {
        self.tables.handlers.entry(id)
    }

    /// Returns the route of a label; the empty text if it has none.
    #[inline]
    pub(super) fn route<'a>(&'a self, label: &'a RouteLabel) -> &'a str {
        match label {
            RouteLabel::Local(id) => self.entry(*id).route(),
            RouteLabel::Remote(route) => route,
            RouteLabel::Unresolved => "",
        }
    }

    /// Sends a message to a server of another type. Returns the body of the reply.
    pub(super) fn forward(&self, message: Forwarded) -> BoxFuture<'static, Result<Bytes>> {
        match &self.cluster {
            Some(cluster) => cluster.forward(message),
            None => Box::pin(ready(Err(handler_not_found(&message.route)))),
        }
    }

    /// Inflates the body of a message. Closes the session if it is invalid or too large.
    pub(super) fn inflate(&self, session: &FrontendSession, body: &[u8]) -> Option<Vec<u8>> {
        match zlib::inflate(body, self.limits.inflated) {
            Ok(inflated) => Some(inflated),
            Err(error) => {
                tracing::debug!(session = session.id(), %error, "undecodable message");
                let too_large = matches!(error, zlib::InflateError::TooLarge { .. });
                session.close(if too_large { CloseReason::TooLarge } else { CloseReason::Protocol });
                None
            }
        }
    }

    /// Records a closed connection. Its handlers may still run.
    pub(super) fn closed(&self, session: &FrontendSession, dropped: usize) {
        self.metrics.connected(self.pool.count());
        self.metrics.unqueued(dropped);
        if dropped > 0 {
            tracing::debug!(
                session = session.id(),
                dropped,
                "dropped the queued messages of a closed connection"
            );
            self.metrics.dropped(dropped);
        }
    }
}
