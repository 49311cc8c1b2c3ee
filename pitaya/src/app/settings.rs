//! Converts the configuration into the settings of other modules.

use crate::acceptor::{ListenOptions, Readiness};
use crate::config::{Config, OutboxPolicy, SerializerType};
use crate::connection::{ConnectionLimits, machine};
use crate::metrics::Metrics;
use crate::serialize::Format;
use crate::session::{Bounds, OutboxMeters, Policy, Settings};
use crate::span::Tracer;
use crate::wire::{Compression, Compressor, Dictionary};
#[cfg(feature = "worker")]
use crate::worker;

/// The number of routes whose compression back-off is kept, at 8 bytes each.
const BACKOFF_ROUTES: usize = 1024;

pub(super) fn format(config: &Config) -> Format {
    match config.serializer_type {
        SerializerType::Json => Format::Json,
        SerializerType::Protobuf => Format::Protobuf,
        SerializerType::MessagePack => Format::MessagePack,
    }
}

pub(super) fn sessions(
    config: &Config,
    metrics: &Metrics,
    format: Format,
    dictionary: Dictionary,
    tracer: Option<Tracer>,
) -> Settings {
    let compression = if config.message_compression {
        Compression::On { threshold: config.message_compression_threshold }
    } else {
        Compression::Off
    };
    let policy = match config.session_outbox_policy {
        OutboxPolicy::Disconnect => Policy::Disconnect,
        OutboxPolicy::Drop => Policy::Drop,
        OutboxPolicy::Latest => Policy::Latest,
    };
    Settings {
        compression: Compressor::new(compression, BACKOFF_ROUTES),
        dictionary,
        bounds: Bounds { messages: config.agent_messages, bytes: config.session_outbox_bytes, policy },
        expose_errors: config.errors_expose,
        replace: config.session_replace_timeout,
        meters: OutboxMeters::new(metrics),
        tracer,
        ..Settings::new(format)
    }
}

pub(super) fn front(config: &Config) -> ConnectionLimits {
    ConnectionLimits {
        machine: machine::Limits {
            heartbeat: config.heartbeat_interval,
            handshake: config.limit_handshake_deadline,
            packet: config.limit_packet_deadline,
            before_ack: config.limit_packet_before_ack,
            after_ack: config.limit_packet_after_ack,
        },
        header: config.limit_header_deadline,
        write: config.agent_write_timeout,
        handler: config.handler_timeout,
        pending: config.session_pending,
        pending_bytes: config.session_pending_bytes,
        concurrent: config.session_concurrent,
        concurrent_forward: config.session_concurrent_forward,
        inflated: config.limit_inflated,
        connections: config.limit_connections,
    }
}

pub(super) fn listen(config: &Config, ready: Readiness) -> ListenOptions {
    ListenOptions {
        header_deadline: config.limit_header_deadline,
        max_packet_before_ack: config.limit_packet_before_ack,
        max_packet_after_ack: config.limit_packet_after_ack,
        proxy_protocol: config.proxy_protocol,
        trusted_proxies: config.trusted_proxies.clone().into(),
        origins: config.ws_origins.clone().into(),
        subprotocols: config.ws_subprotocols.clone().into(),
        probe: config.ws_probe.as_str().into(),
        ready,
        max_head: config.limit_upgrade_head,
    }
}

#[cfg(feature = "worker")]
pub(super) fn worker(config: &Config) -> worker::Options {
    let redis = worker::RedisOptions {
        url: config.worker_redis_url.clone(),
        user: config.worker_redis_user.clone(),
        password: config.worker_redis_password.clone(),
        database: u32::try_from(config.worker_redis_database).ok(),
        tls: config.worker_redis_tls,
        ca_file: config.worker_redis_tls_ca_file.clone(),
    };
    let retry = worker::Retry {
        enabled: config.worker_retry_enabled,
        max: config.worker_retry_max,
        exponent: config.worker_retry_exponential,
        min_delay: config.worker_retry_min_delay,
        max_delay: config.worker_retry_max_delay,
        max_random: config.worker_retry_max_random,
    };
    worker::Options {
        redis,
        namespace: config.worker_namespace.clone(),
        concurrency: config.worker_concurrency,
        retry,
        timeout: config.worker_timeout,
        heartbeat: config.worker_heartbeat,
        poll: config.worker_poll,
    }
}
