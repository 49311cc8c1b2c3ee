//! The table of the keys with an effect. One row defines the field, its default, its documentation and its checks.

use std::time::Duration;

use super::choices::{RpcTransport, SerializerType};
use super::key::{Key, Rule};
use super::loaded::Loaded;
use super::value_type::{Choice, DurationValue, Flag, Size, Text, ValueType};

mod acceptor;
mod cluster;
mod metrics;
mod session;
mod worker;

pub use acceptor::{AcceptorConfig, LimitConfig, RateLimitConfig, UserRateLimitConfig, WsConfig};
pub use cluster::{
    BindingStorageConfig, BindingStorageEtcdConfig, EtcdConfig, GrantLeaseConfig, GrpcConfig, GrpcTlsConfig,
    NatsConfig, NatsTlsConfig,
};
pub use metrics::{CustomMetricsConfig, MetricsConfig, PrometheusConfig, StatsdConfig};
pub use session::{AgentConfig, DrainConfig, GroupsConfig, GroupsEtcdConfig, OutboxConfig, SessionConfig};
pub use worker::{RedisConfig, RedisTlsConfig, RetryConfig, WorkerConfig};

/// All rows with a title for each part, in the order they are printed.
pub(super) const PARTS: &[(&str, &[Key])] = &[
    ("Server", KEYS),
    ("Sessions and groups", session::KEYS),
    ("Acceptors and limits", acceptor::KEYS),
    ("Cluster", cluster::KEYS),
    ("Reliable RPC", worker::KEYS),
    ("Metrics", metrics::KEYS),
];

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn some_time(value: &Duration) -> bool {
    !value.is_zero()
}

fn at_least_one(value: &usize) -> bool {
    *value >= 1
}

keys! {
    /// All settings, with a type each.
    ///
    /// [`Config::default`] has every default. [`Config::load`] sets what a file and the environment say. Code may
    /// then set any field, and [`Config::validate`] checks the result. Two configurations are equal if all their
    /// fields are, whatever set them. `Debug` masks secrets, as [`Config::print`] does.
    Config () [
        session: SessionConfig,
        agent: AgentConfig,
        groups: GroupsConfig,
        acceptor: AcceptorConfig,
        limit: LimitConfig,
        rate_limit: RateLimitConfig,
        nats: NatsConfig,
        grpc: GrpcConfig,
        etcd: EtcdConfig,
        binding_storage: BindingStorageConfig,
        worker: WorkerConfig,
        metrics: MetricsConfig,
    ] with loaded: Loaded {
        /// The serializer of the server: json, protobuf or msgpack (1 and 2 stand for the first two).
        serializer_type: SerializerType as Choice<SerializerType> = SerializerType::Json, "pitaya.serializertype";

        /// Checks decoded messages with their validation rules before the handler.
        struct_validation: bool as Flag = false, "pitaya.defaultpipelines.structvalidation.enabled";

        /// Pause between heartbeats; a client silent for twice as long is closed.
        heartbeat_interval: Duration as DurationValue = secs(30), "pitaya.heartbeat.interval",
            allowed("whole seconds, at least 1s", |v| v.subsec_nanos() == 0 && v.as_secs() >= 1);

        /// Compresses outgoing messages and handshake replies where that makes them smaller.
        message_compression: bool as Flag = true, "pitaya.handler.messages.compression",
            also(&["pitaya.handler.messages.compression.enabled"]);

        /// Bodies below this many bytes are not offered to the compressor at all.
        message_compression_threshold: usize as Size = 128, "pitaya.handler.messages.compression.threshold";

        /// The longest a handler may run before its call fails with PIT-408.
        handler_timeout: Duration as DurationValue = secs(60), "pitaya.handler.timeout",
            allowed("more than 0s", some_time);

        /// How servers call each other: nats or grpc. The second needs the feature `grpc`.
        rpc_transport: RpcTransport as Choice<RpcTransport> = RpcTransport::Nats, "pitaya.cluster.rpc.transport";

        /// The longest a call to another server waits for its answer, unless the caller sets a timeout.
        cluster_request_timeout: Duration as DurationValue = secs(5), "pitaya.cluster.rpc.client.nats.requesttimeout",
            allowed("more than 0s", some_time);

        /// The longest that a start may take, waiting for NATS and etcd included. 0s is no limit.
        start_timeout: Duration as DurationValue = Duration::ZERO, "pitaya.start.timeout";

        /// The longest each step of a stop may take.
        stop_timeout: Duration as DurationValue = secs(20), "pitaya.stop.timeout",
            allowed("more than 0s", some_time);

        /// Sends the texts of internal errors and panics to clients. For development only.
        errors_expose: bool as Flag = false, "pitaya.errors.expose";

        /// Uses the route dictionary for incoming messages only, for clients that fail on compressed push routes.
        dictionary_inbound_only: bool as Flag = false, "pitaya.dictionary.inboundonly";

        /// How often timers with a condition (`Timers::when`) check it, and the least pause between runs of a late timer.
        /// It does not delay `every` and `after`.
        timer_precision: Duration as DurationValue = secs(1), "pitaya.timer.precision",
            allowed("at least 1ms", |v| v.as_millis() >= 1);

        /// How long a process of the binary module has to end after SIGTERM.
        binary_grace: Duration as DurationValue = secs(15), "pitaya.binary.grace";

        /// The address of the HTTP server for `/livez`, `/readyz` and `/metrics`, as host:port. Empty: no such server.
        /// It needs the feature `http`; `/metrics` needs the feature `prometheus`.
        http_listen: String as Text = String::new(), "pitaya.http.listen",
            allowed("empty, or an address such as :9080", |v| v.is_empty() || v.contains(':'));

        /// Exports traces by OTLP, as the `OTEL_*` variables say. It needs the feature `otel`.
        otel_enabled: bool as Flag = false, "pitaya.tracing.otel.enabled";
    }
}
