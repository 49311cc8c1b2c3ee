//! The place of an app in a cluster.

use std::sync::Arc;

use super::Builder;
use crate::binding::BindingStorage;
use crate::cluster::{Discovery, Router, Transport};

/// # Clusters
impl Builder {
    /// Joins a cluster over etcd and NATS, configured by `pitaya.cluster.sd.etcd.…` and
    /// `pitaya.cluster.rpc.client.nats.…`. Needs the feature `cluster`.
    ///
    /// Sets [`discovery`](Self::discovery) to an [`EtcdDiscovery`](crate::cluster::EtcdDiscovery) and
    /// [`transport`](Self::transport) to a [`NatsTransport`](crate::cluster::NatsTransport), unless they are set. With
    /// `pitaya.cluster.rpc.transport = "grpc"` it does what [`grpc`](Self::grpc) does.
    ///
    /// ```no_run
    /// # use pitaya::prelude::*;
    /// # async fn example() -> Result<()> {
    /// App::builder().server_type("room").backend().cluster().run().await
    /// # }
    /// ```
    #[cfg(feature = "cluster")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cluster")))]
    #[must_use]
    pub fn cluster(mut self) -> Self {
        self.cluster = true;
        self
    }

    /// Joins a cluster whose servers call each other over gRPC, configured by `pitaya.cluster.rpc.server.grpc.…` and
    /// `pitaya.cluster.rpc.client.grpc.…`. Needs the feature `grpc`.
    ///
    /// Sets [`transport`](Self::transport) to a [`GrpcTransport`](crate::cluster::GrpcTransport), unless it is set. With
    /// the feature `etcd` it sets [`discovery`](Self::discovery) to an `EtcdDiscovery`, configured by
    /// `pitaya.cluster.sd.etcd.…`, unless it is set.
    ///
    /// ```no_run
    /// # use pitaya::prelude::*;
    /// # async fn example() -> Result<()> {
    /// App::builder().server_type("room").backend().grpc().run().await
    /// # }
    /// ```
    #[doc(alias = "AddGRPCInfoToMetadata")]
    #[cfg(feature = "grpc")]
    #[cfg_attr(docsrs, doc(cfg(feature = "grpc")))]
    #[must_use]
    pub fn grpc(mut self) -> Self {
        self.grpc = true;
        self
    }

    /// Sets how the servers of a cluster find each other. With a [`transport`](Self::transport) too, the app joins a
    /// cluster; one without the other is an error at start.
    ///
    /// ```
    /// use pitaya::cluster::{MemoryBroker, MemoryRegistry};
    /// use pitaya::prelude::*;
    ///
    /// // A cluster within one process. Servers of several find each other over etcd and NATS.
    /// let (registry, broker) = (MemoryRegistry::default(), MemoryBroker::default());
    /// let room = App::builder()
    ///     .server_type("room")
    ///     .backend()
    ///     .discovery(registry.discovery())
    ///     .transport(broker.transport());
    /// ```
    #[must_use]
    pub fn discovery(mut self, discovery: impl Discovery) -> Self {
        self.discovery = Some(Box::new(discovery));
        self
    }

    /// Sets how the servers of a cluster call each other; see [`discovery`](Self::discovery).
    #[must_use]
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Box::new(transport));
        self
    }

    /// Sets the [binding storage](crate::binding), which the servers of the cluster share. By default there is no storage: a
    /// transport with a subject for each user needs no storage. An app without a cluster does not start with one.
    #[doc(alias = "ETCDBindingStorage")]
    #[must_use]
    pub fn binding_storage(mut self, storage: impl BindingStorage) -> Self {
        self.binding_storage = Some(Arc::new(storage));
        self
    }

    /// Sets how calls choose a server of a type. The default is a random one. A second router of one type is an error at
    /// start.
    #[must_use]
    pub fn router(mut self, server_type: impl Into<String>, router: Router) -> Self {
        let server_type = server_type.into();
        if !self.routers.set(server_type.clone(), router) {
            self.problems
                .push(format!("server type `{server_type}` was given two routers: there is one for each"));
        }
        self
    }

    /// Adds metadata of this server, which the other servers of the cluster can read.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }
}
