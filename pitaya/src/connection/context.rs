//! What all connections of an app have in common, and how one begins.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::call_limits::CallLimits;
use super::failure_log::FailureLog;
use super::metrics::ConnectionMetrics;
use super::{Connection, HandshakePolicy, machine};
use crate::acceptor::{IncomingConnection, OpenError, Opened};
use crate::dispatch::Dispatcher;
use crate::session::{CloseReason, Core, Pool, Via};
use crate::util::panic::panic_error;
use crate::util::throttle::throttled;
use crate::wire::zlib;

/// The bounds of connections; each is a configuration key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionLimits {
    pub(crate) machine: machine::Limits,
    /// For the set-up before the first packet: PROXY header, TLS, HTTP upgrade.
    pub(crate) header: Duration,
    /// For a client to take something of what is written.
    pub(crate) write: Duration,
    /// For a handler.
    pub(crate) handler: Duration,
    /// Messages of one session that wait.
    pub(crate) pending: usize,
    /// The bytes of their bodies.
    pub(crate) pending_bytes: usize,
    /// Concurrent handlers of one session.
    pub(crate) concurrent: usize,
    /// Messages for other servers start on arrival, as those of concurrent routes do.
    pub(crate) concurrent_forward: bool,
    /// Bytes of an inflated body.
    pub(crate) inflated: usize,
    /// Open connections; 0 is no bound.
    pub(crate) connections: usize,
}

/// The frontend of an app: serves connections.
#[derive(Debug)]
pub(crate) struct ConnectionContext {
    pub(crate) pool: Arc<Pool>,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) handshake_policy: HandshakePolicy,
    pub(crate) limits: ConnectionLimits,
    pub(crate) call_limits: Option<CallLimits>,
    pub(crate) metrics: ConnectionMetrics,
    pub(crate) failure_log: FailureLog,
    pub(crate) tasks: TaskTracker,
    /// The app stops: no session begins any more.
    pub(crate) stopping: CancellationToken,
    /// The app has waited long enough for the sessions that it closed.
    pub(crate) kill: CancellationToken,
    pub(crate) open: AtomicUsize,
}

/// Counts an open connection for as long as its socket may live.
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
    /// Serves an accepted connection in a task of its own.
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
            self.metrics.refused("limit");
            return;
        };
        let context = Arc::clone(self);
        self.tasks.spawn(async move {
            // The set-up is a future of its own, boxed, so that it does not size the steady one.
            let opened = Box::pin(Arc::clone(&context).begin(incoming, accepted)).await;
            if let Some(connection) = opened {
                connection.run(counted).await;
            }
        });
    }

    /// Sets a connection up, unless the app stops first. A panic in what users made for that costs this client only.
    async fn begin(self: Arc<Self>, incoming: IncomingConnection, accepted: Instant) -> Option<Connection> {
        let (context, stopping) = (Arc::clone(&self), self.stopping.clone());
        let open = AssertUnwindSafe(self.open(incoming, accepted)).catch_unwind();
        tokio::select! {
            biased;
            () = stopping.cancelled() => None,
            opened = open => opened.unwrap_or_else(|panic| {
                panic_error("the set-up of a connection", &*panic);
                context.metrics.refused("panic");
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
                tracing::debug!(%peer, %error, "a connection could not be set up");
                self.metrics.refused(error.label());
                return None;
            }
        };
        let Opened { link, peer, socket_peer, filters, .. } = opened;
        let upgrade = peer.upgrade().cloned();
        let via = (upgrade.is_some() || peer != socket_peer)
            .then(|| Via { peer_addr: socket_peer.address().into(), upgrade });
        let core = self.pool.create_via(peer.address(), via);
        core.outbox().hold();
        if self.stopping.is_cancelled() {
            // It came after the stop closed all sessions that there were.
            core.close(CloseReason::Shutdown);
        }
        if let Err(error) = core.data().set("ipversion", peer.ip_version()) {
            throttled!(self.pool.log(), error, "session data", %error, "failed to set `ipversion`");
        }
        self.metrics.connected(self.pool.count());
        Some(Connection::new(self, core, link, filters, accepted))
    }

    /// The body of a message that says it is compressed. One that is not breaks the protocol.
    pub(super) fn inflate(&self, core: &Core, body: &[u8]) -> Option<Vec<u8>> {
        match zlib::inflate(body, self.limits.inflated) {
            Ok(inflated) => Some(inflated),
            Err(error) => {
                tracing::debug!(session = core.id(), %error, "undecodable message");
                let too_large = matches!(error, zlib::InflateError::TooLarge { .. });
                core.close(if too_large { CloseReason::TooLarge } else { CloseReason::Protocol });
                None
            }
        }
    }

    /// A connection is closed; its handlers may go on.
    pub(super) fn closed(&self, core: &Core, dropped: usize) {
        self.metrics.connected(self.pool.count());
        self.metrics.unqueued(dropped);
        if dropped > 0 {
            tracing::debug!(
                session = core.id(),
                dropped,
                "messages were still waiting when the connection closed"
            );
            self.metrics.dropped(dropped);
        }
    }
}
