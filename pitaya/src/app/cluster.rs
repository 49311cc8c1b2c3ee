//! Makes the app a server of a cluster.

use std::sync::Arc;

use super::Builder;
use crate::cluster::server::{BROADCASTS, ORDER};
use crate::cluster::{ClusterMetrics, Limits, Node, Outbound, Parts, Server};
use crate::component::Shared;
use crate::config::Config;
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
    #[cfg(feature = "cluster")]
    if builder.cluster {
        over_etcd_and_nats(builder)?;
    }
    let (discovery, transport) = match (builder.discovery.take(), builder.transport.take()) {
        (Some(discovery), Some(transport)) => (discovery, transport),
        (None, None) => return Ok((None, Pool::new(settings, callbacks, Arc::new(Standalone::default())))),
        (Some(_), None) => return Err(half("a discovery and no transport: add `.transport(…)`")),
        (None, Some(_)) => return Err(half("a transport and no discovery: add `.discovery(…)`")),
    };
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
    let parts = Parts {
        own,
        discovery,
        transport,
        routers: std::mem::take(&mut builder.routers),
        limits: limits(&builder.config),
        shared: Arc::clone(shared),
        metrics: ClusterMetrics::new(metrics),
        clock: builder.clock.clone(),
    };
    let outbound = Outbound::new(parts);
    let pool = Pool::new(settings, callbacks, Arc::clone(&outbound) as _);
    let node = Node::new(outbound, Arc::clone(&pool));
    node.transport().follow(node.servers());
    Ok((Some(Arc::new(node)), pool))
}

/// Sets the parts that the builder was not given, as the configuration says.
#[cfg(feature = "cluster")]
fn over_etcd_and_nats(builder: &mut Builder) -> Result<()> {
    use crate::cluster::{EtcdDiscovery, EtcdOptions, NatsOptions, NatsTransport};

    if builder.discovery.is_none() {
        let options = EtcdOptions::from_config(&builder.config);
        builder.discovery = Some(Box::new(EtcdDiscovery::new(options)));
    }
    if builder.transport.is_none() {
        let options = NatsOptions::from_config(&builder.config);
        let transport = NatsTransport::new(options)
            .map_err(|error| Error::new(code::INTERNAL, error.to_string()).with_source(error))?;
        builder.transport = Some(Box::new(transport));
    }
    Ok(())
}

fn half(what: &str) -> Error {
    Error::new(code::INTERNAL, format!("the app has {what}"))
}

fn limits(config: &Config) -> Limits {
    Limits {
        request: config.cluster_request_timeout,
        handler: config.handler_timeout,
        replace: config.session.replace_timeout,
        unique: config.session.unique,
    }
}
