//! Converts the configuration into the settings of other modules.

use crate::acceptor::{ListenOptions, Readiness};
use crate::config::{Config, SerializerType};
use crate::connection::{ConnectionLimits, machine};
use crate::metrics::Metrics;
use crate::serialize::Serializer;
use crate::session::{OutboxLimits, OutboxMeters, Recoding, Settings};
use crate::span::Tracer;
use crate::wire::{Compression, Compressor, Dictionary};
#[cfg(feature = "worker")]
use crate::worker;

/// The number of routes whose compression back-off is kept, at 8 bytes each.
const BACKOFF_ROUTES: usize = 1024;

pub(super) fn serializer(config: &Config) -> Serializer {
    match config.serializer_type {
        SerializerType::Json => Serializer::Json,
        SerializerType::Protobuf => Serializer::Protobuf,
        SerializerType::MessagePack => Serializer::MessagePack,
    }
}

pub(super) fn sessions(
    config: &Config,
    metrics: &Metrics,
    serializer: Serializer,
    dictionary: Dictionary,
    tracer: Option<Tracer>,
) -> Settings {
    let compression = if config.message_compression {
        Compression::On { threshold: config.message_compression_threshold }
    } else {
        Compression::Off
    };
    Settings {
        compression: Compressor::new(compression, BACKOFF_ROUTES),
        dictionary,
        outbox: OutboxLimits {
            messages: config.agent.messages,
            bytes: config.session.outbox.bytes,
            policy: config.session.outbox.policy,
        },
        expose_errors: config.errors_expose,
        replace: config.session.replace_timeout,
        meters: OutboxMeters::new(metrics),
        recoding: Recoding::new(metrics, config.limit.inflated),
        tracer,
        ..Settings::new(serializer)
    }
}

pub(super) fn front(config: &Config) -> ConnectionLimits {
    ConnectionLimits {
        machine: machine::Limits {
            heartbeat: config.heartbeat_interval,
            handshake: config.limit.handshake_deadline,
            packet: config.limit.packet_deadline,
            before_ack: config.limit.packet_before_ack,
            after_ack: config.limit.packet_after_ack,
        },
        header: config.limit.header_deadline,
        write: config.agent.write_timeout,
        handler: config.handler_timeout,
        pending: config.session.pending,
        pending_bytes: config.session.pending_bytes,
        concurrent: config.session.concurrent,
        concurrent_forward: config.session.concurrent_forward,
        inflated: config.limit.inflated,
        connections: config.limit.connections,
    }
}

pub(super) fn listen(config: &Config, ready: Readiness) -> ListenOptions {
    ListenOptions {
        header_deadline: config.limit.header_deadline,
        max_packet_before_ack: config.limit.packet_before_ack,
        max_packet_after_ack: config.limit.packet_after_ack,
        proxy_protocol: config.acceptor.proxy_protocol,
        trusted_proxies: config.acceptor.trusted_proxies.clone().into(),
        origins: config.acceptor.ws.origins.clone().into(),
        subprotocols: config.acceptor.ws.subprotocols.clone().into(),
        probe: config.acceptor.ws.probe.as_str().into(),
        ready,
        max_head: config.limit.upgrade_head,
    }
}

#[cfg(feature = "worker")]
pub(super) fn worker(config: &Config) -> worker::Options {
    let redis = worker::RedisOptions {
        url: config.worker.redis.url.clone(),
        user: config.worker.redis.user.clone(),
        password: config.worker.redis.password.clone(),
        database: u32::try_from(config.worker.redis.database).ok(),
        tls: config.worker.redis.tls.enabled,
        ca_file: config.worker.redis.tls.ca_file.clone(),
    };
    let retry = worker::Retry {
        enabled: config.worker.retry.enabled,
        max: config.worker.retry.max,
        exponent: config.worker.retry.exponential,
        min_delay: config.worker.retry.min_delay,
        max_delay: config.worker.retry.max_delay,
        max_random: config.worker.retry.max_random,
    };
    worker::Options {
        redis,
        namespace: config.worker.namespace.clone(),
        concurrency: config.worker.concurrency,
        retry,
        timeout: config.worker.timeout,
        heartbeat: config.worker.heartbeat,
        poll: config.worker.poll,
    }
}
