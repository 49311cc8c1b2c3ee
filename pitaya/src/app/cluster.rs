//! Makes the app a server of a cluster.

use std::sync::Arc;

use super::Builder;
use crate::binding::Lookup;
use crate::cluster::server::{BROADCASTS, ORDER};
use crate::cluster::{ClusterMetrics, Node, Outbound, OutboundLimits, OutboundParts, Server};
use crate::component::Shared;
use crate::config::Config;
#[cfg(feature = "cluster")]
use crate::config::RpcTransport;
use crate::error::{Error, Result, code};
use crate::metrics::Metrics;
use crate::peers::Standalone;
use crate::session::{Pool, Settings};
use crate::util::host;

/// Makes the pool of sessions, and this server's place in its cluster if it is in one.
pub(super) fn node(
    builder: &mut Builder,
    shared: &Arc<Shared>,
    metrics: &Metrics,
    settings: Settings,
) -> Result<(Option<Arc<Node>>, Arc<Pool>)> {
    let callbacks = std::mem::take(&mut builder.callbacks);
    let over_grpc = wants_grpc(builder);
    set_defaults(builder, over_grpc)?;
    let (discovery, transport) = match (builder.discovery.take(), builder.transport.take()) {
        (Some(discovery), Some(transport)) => (discovery, transport),
        (None, None) if builder.binding_storage.is_some() => {
            return Err(half("a binding storage and no cluster: add `.discovery(…)` and `.transport(…)`"));
        }
        (None, None) => return Ok((None, Pool::new(settings, callbacks, Arc::new(Standalone::default())))),
        (Some(_), None) => return Err(half("a discovery and no transport: add `.transport(…)`")),
        (None, Some(_)) => return Err(half("a transport and no discovery: add `.discovery(…)`")),
    };
    let bindings = builder.binding_storage.take();
    let bindings = bindings.map(|storage| Lookup::new(storage, builder.config.binding_storage.timeout));
    let frontend = builder.frontend != Some(false);
    let mut metadata = std::mem::take(&mut builder.metadata);
    for (key, value) in transport.metadata() {
        metadata.entry(key.to_owned()).or_insert(value);
    }
    if frontend {
        metadata.insert(BROADCASTS.to_owned(), "1".to_owned());
        metadata.insert(ORDER.to_owned(), "1".to_owned());
    }
    let own = Server {
        id: Arc::clone(&shared.server_id),
        server_type: Arc::clone(&shared.server_type),
        metadata,
        frontend,
        hostname: host::name(),
    };
    own.check().map_err(|error| Error::new(code::INTERNAL, error.to_string()))?;
    let parts = OutboundParts {
        own,
        discovery,
        transport,
        routers: std::mem::take(&mut builder.routers),
        limits: limits(&builder.config, over_grpc),
        shared: Arc::clone(shared),
        metrics: ClusterMetrics::new(metrics),
        clock: builder.clock.clone(),
        bindings: bindings.clone(),
    };
    let outbound = Outbound::new(parts);
    let pool = Pool::new(settings, callbacks, Arc::clone(&outbound) as _);
    let node = Node::new(outbound, Arc::clone(&pool));
    node.transport().follow(node.servers(), bindings.as_ref());
    Ok((Some(Arc::new(node)), pool))
}

/// Whether the default transport is gRPC.
fn wants_grpc(builder: &Builder) -> bool {
    #[cfg(feature = "cluster")]
    let configured = builder.cluster && builder.config.rpc_transport == RpcTransport::Grpc;
    #[cfg(not(feature = "cluster"))]
    let configured = false;
    #[cfg(feature = "grpc")]
    let asked = builder.grpc;
    #[cfg(not(feature = "grpc"))]
    let asked = false;
    let _ = builder;
    configured || asked
}

/// Sets the parts that the builder was not given, as the configuration says.
fn set_defaults(builder: &mut Builder, over_grpc: bool) -> Result<()> {
    #[cfg(feature = "cluster")]
    if builder.cluster {
        over_etcd(builder);
        if !over_grpc {
            over_nats(builder)?;
        }
    }
    if over_grpc {
        #[cfg(all(feature = "etcd", feature = "grpc"))]
        over_etcd(builder);
        set_grpc(builder)?;
    }
    Ok(())
}

#[cfg(all(feature = "etcd", any(feature = "cluster", feature = "grpc")))]
fn over_etcd(builder: &mut Builder) {
    use crate::cluster::{EtcdDiscovery, EtcdOptions};

    if builder.discovery.is_none() {
        let options = EtcdOptions::from_config(&builder.config);
        builder.discovery = Some(Box::new(EtcdDiscovery::new(options)));
    }
}

#[cfg(feature = "cluster")]
fn over_nats(builder: &mut Builder) -> Result<()> {
    use crate::cluster::{NatsOptions, NatsTransport};

    if builder.transport.is_none() {
        let options = NatsOptions::from_config(&builder.config);
        let transport = NatsTransport::new(options)
            .map_err(|error| Error::new(code::INTERNAL, error.to_string()).with_source(error))?;
        builder.transport = Some(Box::new(transport));
    }
    Ok(())
}

#[cfg(feature = "grpc")]
fn set_grpc(builder: &mut Builder) -> Result<()> {
    use crate::cluster::{GrpcOptions, GrpcTransport};

    if builder.transport.is_none() {
        let transport = GrpcOptions::from_config(&builder.config).and_then(GrpcTransport::new);
        let transport =
            transport.map_err(|error| Error::new(code::INTERNAL, error.to_string()).with_source(error))?;
        builder.transport = Some(Box::new(transport));
    }
    Ok(())
}

#[cfg(not(feature = "grpc"))]
fn set_grpc(builder: &mut Builder) -> Result<()> {
    if builder.transport.is_some() {
        return Ok(());
    }
    let text = "`pitaya.cluster.rpc.transport` is `grpc`, which needs the feature `grpc` of pitaya";
    Err(Error::new(code::INTERNAL, text))
}

fn half(what: &str) -> Error {
    Error::new(code::INTERNAL, format!("the app has {what}"))
}

fn limits(config: &Config, over_grpc: bool) -> OutboundLimits {
    OutboundLimits {
        request: if over_grpc { config.grpc.request_timeout } else { config.cluster_request_timeout },
        handler: config.handler_timeout,
        replace: config.session.replace_timeout,
        unique: config.session.unique,
    }
}
