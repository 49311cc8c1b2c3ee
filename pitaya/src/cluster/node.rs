//! One server of a cluster: joins it, serves, leaves.

use std::fmt;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::inbound::{Inbound, InboundReceiver};
use super::outbound::Outbound;
use super::server::DRAINING;
use super::{Servers, Transport};
use crate::component::Tables;
use crate::error::{Error, Result, code};
use crate::session::Pool;

/// This server in its cluster: the half that makes calls and the half that serves them.
pub(crate) struct Node {
    outbound: Arc<Outbound>,
    inbound: Arc<Inbound>,
}

impl Node {
    pub(crate) fn new(outbound: Arc<Outbound>, pool: Arc<Pool>) -> Self {
        Self { inbound: Inbound::new(Arc::clone(&outbound), pool), outbound }
    }

    pub(crate) fn outbound(&self) -> &Arc<Outbound> {
        &self.outbound
    }

    pub(crate) fn servers(&self) -> &Arc<Servers> {
        &self.outbound.servers
    }

    pub(crate) fn transport(&self) -> &dyn Transport {
        &*self.outbound.transport
    }

    /// Reports the counters of the transport and of discovery.
    pub(crate) fn sample(&self) {
        let Outbound { metrics, transport, discovery, .. } = &*self.outbound;
        metrics.dropped(transport.dropped());
        metrics.counted(transport.counters());
        metrics.counted(discovery.counters());
    }

    /// Connects the transport. From then on this server can call, and answers calls with `PIT-503` until it serves.
    pub(crate) async fn connect(&self) -> Result<()> {
        let receiver = Arc::new(InboundReceiver::new(&self.inbound));
        self.transport().start(self.outbound.own(), receiver).await.map_err(|error| {
            Error::new(code::UNAVAILABLE, format!("the transport of the cluster did not start: {error}"))
                .with_source(error)
        })
    }

    /// Waits for the binding storage, and stores the users of this frontend there until `stop`.
    pub(crate) async fn store_bindings(&self, stop: CancellationToken) -> Result<()> {
        let Some(keeper) = &self.outbound.keeper else { return Ok(()) };
        keeper.start().await?;
        let inbound = Arc::clone(&self.inbound);
        let stored = Arc::clone(keeper).run(stop, move |other| {
            let sessions = Arc::clone(&inbound);
            inbound.spawn(async move { sessions.tell_replaced(&other).await });
        });
        self.inbound.spawn(stored);
        Ok(())
    }

    /// Registers this server, and reads the list of servers.
    pub(crate) async fn join(&self) -> Result<()> {
        self.outbound.discovery.join(self.outbound.own(), Arc::clone(self.servers())).await
    }

    /// Starts to serve calls. Before, callers get `PIT-503`.
    pub(crate) fn serve(&self, tables: &Tables) {
        self.outbound.metrics.serve(tables);
        self.outbound.local.serve();
    }

    /// Announces that this server accepts no new work.
    pub(crate) async fn announce_draining(&self) {
        self.outbound.local.admission.drain();
        let drains =
            |own: &mut super::Server| drop(own.metadata.insert(DRAINING.to_owned(), "true".to_owned()));
        if let Err(error) = self.outbound.announce(drains).await {
            tracing::warn!(%error, "failed to announce that this server drains");
        }
    }

    /// Leaves the registry. Returns when other servers have had time to see it.
    pub(crate) async fn leave(&self) {
        self.outbound.discovery.leave().await;
    }

    /// Sends queued messages, and closes the transport and discovery.
    pub(crate) async fn close(&self) {
        self.transport().close().await;
        self.outbound.discovery.close().await;
    }

    pub(crate) async fn is_ready(&self) -> bool {
        self.transport().is_connected() && self.outbound.discovery.is_ready().await
    }

    /// Returns the part of the cluster that is unreachable, `None` if all are reachable.
    #[cfg(feature = "http")]
    pub(crate) async fn unreachable(&self) -> Option<&'static str> {
        if !self.transport().is_connected() {
            return Some("the transport is not connected");
        }
        (!self.outbound.discovery.is_ready().await).then_some("the discovery is not connected")
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("outbound", &self.outbound).finish_non_exhaustive()
    }
}
