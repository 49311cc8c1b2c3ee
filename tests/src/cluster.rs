//! [`MemoryCluster`]: a cluster in this process; [`HookedTransport`]: its transport with a test in between.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use pitaya::app::Builder;
use pitaya::cluster::{
    Address, MemoryBroker, MemoryRegistry, MemoryTransport, Receiver, Server, Transport, TransportError,
};
use pitaya::prelude::App;

use crate::server::config;

/// The broker and the registry that the servers of a cluster share.
#[derive(Debug, Clone, Default)]
pub struct MemoryCluster {
    /// The registry.
    pub registry: MemoryRegistry,
    /// The broker.
    pub broker: MemoryBroker,
}

impl MemoryCluster {
    /// Returns the builder of a server.
    #[must_use]
    pub fn server(&self, server_type: &str, id: &str) -> Builder {
        self.server_over(self.broker.transport(), server_type, id)
    }

    /// Returns the builder of a server on this transport.
    pub fn server_over(&self, transport: impl Transport, server_type: &str, id: &str) -> Builder {
        App::builder()
            .config(config())
            .server_type(server_type)
            .server_id(id)
            .discovery(self.registry.discovery())
            .transport(transport)
    }
}

/// The code of a test that runs in the calls of a [`HookedTransport`].
pub trait Hook: Send + Sync + 'static {
    /// Runs when the transport starts.
    fn on_start(&self, _receiver: &Arc<dyn Receiver>) {}

    /// Runs before a message is published. Returns whether it is sent.
    fn on_publish(&self, _to: &Address<'_>, _body: &Bytes) -> bool {
        true
    }

    /// Runs before a user is forgotten.
    fn on_forget_user(&self, _uid: &str) {}
}

/// A transport in memory that calls a [`Hook`].
#[derive(Debug)]
pub struct HookedTransport<H>(pub MemoryTransport, pub Arc<H>);

impl<H: Hook> Transport for HookedTransport<H> {
    fn start(
        &self,
        own: Arc<Server>,
        receiver: Arc<dyn Receiver>,
    ) -> BoxFuture<'_, Result<(), TransportError>> {
        self.1.on_start(&receiver);
        self.0.start(own, receiver)
    }

    fn request<'a>(
        &'a self,
        to: &'a Server,
        body: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Bytes, TransportError>> {
        self.0.request(to, body, timeout)
    }

    fn publish<'a>(&'a self, to: Address<'a>, body: Bytes) -> BoxFuture<'a, Result<(), TransportError>> {
        match self.1.on_publish(&to, &body) {
            true => self.0.publish(to, body),
            false => Box::pin(async { Ok(()) }),
        }
    }

    fn serve_user<'a>(&'a self, uid: &'a str) -> BoxFuture<'a, Result<(), TransportError>> {
        self.0.serve_user(uid)
    }

    fn forget_user(&self, uid: &str) {
        self.1.on_forget_user(uid);
        self.0.forget_user(uid);
    }

    fn is_connected(&self) -> bool {
        self.0.is_connected()
    }

    fn drain(&self) -> BoxFuture<'_, ()> {
        self.0.drain()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.0.close()
    }
}
