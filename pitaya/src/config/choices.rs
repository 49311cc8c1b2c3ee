//! Settings that are one of a few names.

use super::value_type::Named;

/// Which of the built-in serializers a server speaks: `pitaya.serializertype`.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum SerializerType {
    /// JSON, `1` in Go Pitaya's configuration.
    #[default]
    Json,
    /// Protobuf, `2` in Go Pitaya's configuration.
    Protobuf,
    /// MessagePack, which Go Pitaya does not have.
    MessagePack,
}

impl Named for SerializerType {
    const NAME: &'static str = "serializer";
    const NAMES: &'static [(&'static str, Self)] = &[
        ("json", Self::Json),
        ("protobuf", Self::Protobuf),
        ("msgpack", Self::MessagePack),
        ("1", Self::Json),
        ("2", Self::Protobuf),
    ];
}

/// The transport between servers: `pitaya.cluster.rpc.transport`.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum RpcTransport {
    /// Over a broker.
    #[default]
    Nats,
    /// From server to server.
    Grpc,
}

impl Named for RpcTransport {
    const NAME: &'static str = "transport";
    const NAMES: &'static [(&'static str, Self)] = &[("nats", Self::Nats), ("grpc", Self::Grpc)];
}

/// The fate of a push to a full outbox: `pitaya.session.outbox.policy`.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum OutboxPolicy {
    /// The client is too slow for the game: its connection is closed.
    #[default]
    Disconnect,
    /// The push is dropped and counted.
    Drop,
    /// Only the newest push of each route is kept.
    Latest,
}

impl Named for OutboxPolicy {
    const NAME: &'static str = "policy";
    const NAMES: &'static [(&'static str, Self)] =
        &[("disconnect", Self::Disconnect), ("drop", Self::Drop), ("latest", Self::Latest)];
}

/// The dialect of a StatsD server: `pitaya.metrics.statsd.dialect`.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum StatsdDialect {
    /// Tags and histograms, as Datadog's agent understands them.
    #[default]
    DogStatsd,
    /// Neither: labels become parts of the name, and histograms become times.
    Statsd,
}

impl Named for StatsdDialect {
    const NAME: &'static str = "dialect";
    const NAMES: &'static [(&'static str, Self)] =
        &[("dogstatsd", Self::DogStatsd), ("statsd", Self::Statsd)];
}
