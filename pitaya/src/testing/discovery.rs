//! Discovery with simulated delays.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;

use super::simulator::Simulator;
use crate::cluster::{Discovery, MemoryDiscovery, Server, Servers};
use crate::error::Result;

/// One server's discovery over the registry in memory. Its changes pass the simulator.
pub(super) struct SimulatedDiscovery {
    inner: MemoryDiscovery,
    simulator: Arc<Simulator>,
}

impl SimulatedDiscovery {
    pub(super) fn new(inner: MemoryDiscovery, simulator: &Arc<Simulator>) -> Self {
        Self { inner, simulator: Arc::clone(simulator) }
    }

    /// Ends the membership without leaving.
    pub(super) fn crash(&self) {
        self.inner.abandon();
    }
}

impl Discovery for SimulatedDiscovery {
    fn join(&self, own: Arc<Server>, servers: Arc<Servers>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            // The registry's list. The server's own list receives it through the simulator.
            let said = Arc::new(Servers::default());
            let joined = Arc::new(AtomicBool::new(false));
            said.on_change({
                let (own, joined, simulator) =
                    (Arc::clone(&own), Arc::clone(&joined), Arc::clone(&self.simulator));
                move |change| {
                    // The list is complete when the join ends, and a server knows its own entry.
                    let at_once = !joined.load(Ordering::SeqCst) || change.server().id == own.id;
                    simulator.deliver_discovery(&own.id, &servers, change, at_once);
                }
            });
            self.inner.join(own, said).await?;
            joined.store(true, Ordering::SeqCst);
            Ok(())
        })
    }

    fn announce(&self, own: Arc<Server>) -> BoxFuture<'_, Result<()>> {
        self.inner.announce(own)
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        self.inner.leave()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }

    fn is_ready(&self) -> BoxFuture<'_, bool> {
        self.inner.is_ready()
    }

    fn is_current(&self) -> bool {
        self.inner.is_current()
    }
}
