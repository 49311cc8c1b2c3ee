//! The table of the keys with an effect. One row defines the field, its default, its documentation and its checks.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::choices::{OutboxPolicy, SerializerType, StatsdDialect};
use super::custom::CustomMetric;
use super::key::{Key, Rule};
use super::load::Loaded;
use super::route_limit::RouteLimit;
use super::value_type::{
    Choice, Count, Deadline, DurationValue, File, Flag, Labels, List, NetworkList, Number, OriginList,
    RouteLimits, Size, Specs, Text, ValueType,
};
use crate::acceptor::networks::Networks;
use crate::acceptor::origins;

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

/// The biggest body that the three length bytes of a packet can announce.
const BIGGEST_PACKET: usize = (1 << 24) - 1;

fn packet_size(value: &usize) -> bool {
    (1..=BIGGEST_PACKET).contains(value)
}

macro_rules! keys {
    ($(
        $(#[doc = $help:literal])+
        $field:ident: $ty:ty as $value:ty = $default:expr, $name:literal $(, $rule:ident($($arg:expr),*))*;
    )+) => {
        /// Every setting, typed.
        ///
        /// A fresh one ([`Config::default`]) has every default; [`Config::load`] layers a file and the
        /// environment over it; code may then set any field, and [`Config::validate`] checks the result.
        /// Two configurations are equal if all their fields are, wherever they come from. Secrets and passwords
        /// in addresses are masked in `Debug` as they are in [`Config::print`].
        #[non_exhaustive]
        #[derive(Clone)]
        pub struct Config {
            $(
                $(#[doc = $help])+
                #[doc = ""]
                #[doc = concat!(" Key: `", $name, "`.")]
                pub $field: $ty,
            )+
            pub(super) loaded: Loaded,
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $($field: $default,)+ loaded: Loaded::default() }
            }
        }

        impl PartialEq for Config {
            fn eq(&self, other: &Self) -> bool {
                $(self.$field == other.$field)&&+
            }
        }

        impl fmt::Debug for Config {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut shown = f.debug_map();
                for key in KEYS {
                    shown.entry(&format_args!("{}", key.name), &format_args!("{}", key.mask(&(key.show)(self))));
                }
                shown.finish_non_exhaustive()
            }
        }

        /// The rows, in the order they are printed.
        pub(super) static KEYS: &[Key] = &[$({
            const RULE: Rule<$ty> = Rule::<$ty>::new()$(.$rule($($arg),*))*;
            Key {
                name: $name,
                help: concat!($($help),+),
                type_name: <$value as ValueType>::NAME,
                table: <$value as ValueType>::TABLE,
                aliases: RULE.aliases,
                allowed: RULE.text(),
                secret: RULE.secret,
                addresses: RULE.addresses,
                no_effect: None,
                read: |config, raw| {
                    config.$field = <$value as ValueType>::parse(raw)?;
                    Ok(())
                },
                show: |config| <$value as ValueType>::show(&config.$field),
                check: |config| RULE.check::<$value>(&config.$field),
            }
        }),+];
    };
}

keys! {
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

    /// Messages that may wait to be written to one client.
    agent_messages: usize as Count<usize> = 100, "pitaya.buffer.agent.messages",
        allowed("at least 1", at_least_one);

    /// The longest one write to a client may take; zero or less stands for 10s.
    agent_write_timeout: Duration as Deadline = secs(10), "pitaya.buffer.agent.conntimeout",
        also(&["pitaya.buffer.agent.writetimeout"]), allowed("more than 0s", some_time);

    /// Calls of concurrent routes that may run at the same time in one session.
    session_concurrent: usize as Count<usize> = 64, "pitaya.session.concurrent",
        allowed("at least 1", at_least_one);

    /// Messages forwarded to other servers start on arrival, like those of concurrent routes, instead of in the order of
    /// their session.
    session_concurrent_forward: bool as Flag = false, "pitaya.session.concurrentforward";

    /// A user has one session at most on all frontends of a type: a newer bind kicks the older session, wherever it is.
    session_unique: bool as Flag = true, "pitaya.session.unique";

    /// How long a bind waits for the end of the user's older sessions, their close callbacks included.
    session_replace_timeout: Duration as DurationValue = secs(2), "pitaya.session.replace.timeout",
        allowed("more than 0s", some_time);

    /// The longest a call of another server waits for its answer, unless the caller says otherwise.
    cluster_request_timeout: Duration as DurationValue = secs(5), "pitaya.cluster.rpc.client.nats.requesttimeout",
        allowed("more than 0s", some_time);

    /// Addresses of NATS, separated by commas. `:4222` is `localhost:4222`; of a name all addresses are tried.
    nats_connect: String as Text = "nats://localhost:4222".to_owned(), "pitaya.cluster.rpc.client.nats.connect",
        allowed("an address", |v| !v.trim().is_empty()), addresses();

    /// The longest a connection to NATS may take.
    nats_connection_timeout: Duration as DurationValue = secs(2), "pitaya.cluster.rpc.client.nats.connectiontimeout",
        allowed("more than 0s", some_time);

    /// Attempts at the first connection to NATS; -1 means without end. One that is lost later is made again without end.
    nats_max_reconnection_retries: i64 as Count<i64> = 15, "pitaya.cluster.rpc.client.nats.maxreconnectionretries",
        allowed("at least -1", |v| *v >= -1);

    /// Pause between two attempts.
    nats_reconnect_wait: Duration as DurationValue = secs(1), "pitaya.cluster.rpc.client.nats.reconnectwait";

    /// The random part of it.
    nats_reconnect_jitter: Duration as DurationValue = millis(100), "pitaya.cluster.rpc.client.nats.reconnectjitter";

    /// Ping interval, to detect dead connections.
    nats_ping_interval: Duration as DurationValue = secs(120), "pitaya.cluster.rpc.client.nats.pinginterval",
        allowed("more than 0s", some_time);

    /// Pings without an answer after which a connection counts as lost.
    nats_max_pings_outstanding: u32 as Count<u32> = 3, "pitaya.cluster.rpc.client.nats.maxpingsoutstanding";

    /// Pause between two questions to NATS for the other brokers of its cluster, which are tried too when a connection is
    /// lost; 15 times as long where NATS demands TLS. With 0s it is not asked, and only the configured addresses are tried.
    nats_discovery_interval: Duration as DurationValue = secs(2), "pitaya.cluster.rpc.client.nats.discoveryinterval";

    /// Refuses a NATS without TLS; so does the scheme `tls://` in its address. Without either, TLS is used where NATS
    /// demands it.
    nats_tls_required: bool as Flag = false, "pitaya.cluster.rpc.client.nats.tls.required";

    /// PEM file of CA certificates for NATS that replaces the system roots.
    nats_tls_ca_file: Option<PathBuf> as File = None, "pitaya.cluster.rpc.client.nats.tls.cafile";

    /// A certificate with its chain, in PEM, by which NATS knows this server. It needs its key.
    nats_tls_cert_file: Option<PathBuf> as File = None, "pitaya.cluster.rpc.client.nats.tls.certfile";

    /// The key of that certificate, in PEM.
    nats_tls_key_file: Option<PathBuf> as File = None, "pitaya.cluster.rpc.client.nats.tls.keyfile";

    /// A file with a JWT and the seed of a key, as `nsc` writes it, by which NATS knows this server. It needs the
    /// feature `nats-creds`.
    nats_credentials_file: Option<PathBuf> as File = None, "pitaya.cluster.rpc.client.nats.credentialsfile";

    /// The most messages of other servers that wait to be read. Further ones are dropped and counted. Go Pitaya's
    /// default is 75, which a few busy frontends exceed.
    nats_buffer_messages: usize as Count<usize> = 65536, "pitaya.cluster.rpc.server.nats.buffer.messages",
        allowed("at least 1", at_least_one);

    /// Addresses of etcd, as host:port or URLs. `:2379` is `localhost:2379`; of a name all addresses are tried. The client
    /// addresses of members that join later are not learned: name each member by an address that outlives it.
    etcd_endpoints: Vec<String> as List = vec!["localhost:2379".to_owned()], "pitaya.cluster.sd.etcd.endpoints",
        allowed("at least one address", |v| !v.is_empty()), addresses();

    /// The user for etcd; sent only together with a password.
    etcd_user: String as Text = String::new(), "pitaya.cluster.sd.etcd.user";

    /// Its password.
    etcd_pass: String as Text = String::new(), "pitaya.cluster.sd.etcd.pass", secret();

    /// Certificates of authorities, in PEM, that etcd is trusted by, instead of those of the system. With it an address
    /// without a scheme is `https://`. It needs the feature `tls`.
    etcd_tls_ca_file: Option<PathBuf> as File = None, "pitaya.cluster.sd.etcd.tls.cafile";

    /// The longest a connection to etcd may take.
    etcd_dial_timeout: Duration as DurationValue = secs(5), "pitaya.cluster.sd.etcd.dialtimeout",
        allowed("more than 0s", some_time);

    /// The prefix of all keys of the registry.
    etcd_prefix: String as Text = "pitaya/".to_owned(), "pitaya.cluster.sd.etcd.prefix";

    /// How long this server stays known after it is lost.
    etcd_heartbeat_ttl: Duration as DurationValue = secs(60), "pitaya.cluster.sd.etcd.heartbeat.ttl",
        allowed("at least 1s", |v| v.as_secs() >= 1);

    /// Pause between two readings of the whole list of servers, in case a change was missed.
    etcd_sync_interval: Duration as DurationValue = secs(120), "pitaya.cluster.sd.etcd.syncservers.interval",
        allowed("more than 0s", some_time);

    /// The longest that leaving may take.
    etcd_revoke_timeout: Duration as DurationValue = secs(5), "pitaya.cluster.sd.etcd.revoke.timeout",
        allowed("more than 0s", some_time);

    /// The longest one attempt to register may take.
    etcd_grant_lease_timeout: Duration as DurationValue = secs(60), "pitaya.cluster.sd.etcd.grantlease.timeout",
        allowed("more than 0s", some_time);

    /// Attempts to register at start. A registration that is lost later is made again without end.
    etcd_grant_lease_max_retries: u32 as Count<u32> = 15, "pitaya.cluster.sd.etcd.grantlease.maxretries";

    /// Delay between attempts to register.
    etcd_grant_lease_retry_interval: Duration as DurationValue = secs(5), "pitaya.cluster.sd.etcd.grantlease.retryinterval";

    /// Pause after leaving, in which the others see it, before this server stops answering.
    etcd_shutdown_delay: Duration as DurationValue = millis(300), "pitaya.cluster.sd.etcd.shutdown.delay";

    /// The address of Redis for reliable RPC: `host:port`, `redis://…`, or `rediss://…` for TLS. It needs the feature
    /// `worker`, as all keys of `pitaya.worker`.
    worker_redis_url: String as Text = "localhost:6379".to_owned(), "pitaya.worker.redis.serverurl",
        also(&["pitaya.worker.redis.url"]), allowed("an address", |v| !v.trim().is_empty()), addresses();

    /// The user for Redis, which needs a password. Empty for the default user.
    worker_redis_user: String as Text = String::new(), "pitaya.worker.redis.user";

    /// Its password.
    worker_redis_password: String as Text = String::new(), "pitaya.worker.redis.password", secret();

    /// The number of the database; -1 for that of the address, or 0.
    worker_redis_database: i64 as Count<i64> = -1, "pitaya.worker.redis.database",
        allowed("at least -1", |v| *v >= -1);

    /// Uses TLS to Redis; so does the scheme `rediss://`.
    worker_redis_tls: bool as Flag = false, "pitaya.worker.redis.tls.enabled";

    /// Certificates of authorities, in PEM, that Redis is trusted by, instead of those of the system.
    worker_redis_tls_ca_file: Option<PathBuf> as File = None, "pitaya.worker.redis.tls.cafile";

    /// The prefix of every key in Redis, without the colon after it.
    worker_namespace: String as Text = String::new(), "pitaya.worker.namespace";

    /// Jobs that one server runs at the same time.
    worker_concurrency: usize as Count<usize> = 1, "pitaya.worker.concurrency",
        allowed("at least 1", at_least_one);

    /// The longest that one run of a job may take, unless the job says otherwise.
    worker_timeout: Duration as DurationValue = secs(30), "pitaya.worker.timeout",
        allowed("more than 0s", some_time);

    /// Pause between two looks for jobs whose time has come. Go Pitaya's is 15s.
    worker_poll: Duration as DurationValue = secs(5), "pitaya.worker.poll",
        allowed("more than 0s", some_time);

    /// Pause between two heartbeats of a worker. A worker counts as dead after 4 to 7 pauses without a heartbeat.
    worker_heartbeat: Duration as DurationValue = secs(5), "pitaya.worker.heartbeat",
        allowed("more than 0s", some_time);

    /// Runs failed jobs again.
    worker_retry_enabled: bool as Flag = true, "pitaya.worker.retry.enabled";

    /// The limit of retries, as Go Pitaya counts: a job runs at most two times more. 0 stands for 25.
    worker_retry_max: u32 as Count<u32> = 2, "pitaya.worker.retry.max";

    /// The exponent by which the delay grows: retry `n`, from 0, waits `n` to this power, plus the minimum.
    worker_retry_exponential: u32 as Count<u32> = 5, "pitaya.worker.retry.exponential";

    /// The shortest delay, in seconds.
    worker_retry_min_delay: u32 as Count<u32> = 10, "pitaya.worker.retry.mindelay";

    /// The longest delay, in seconds.
    worker_retry_max_delay: u32 as Count<u32> = 10, "pitaya.worker.retry.maxdelay";

    /// The bound of the random part of the delay, in seconds.
    worker_retry_max_random: u32 as Count<u32> = 0, "pitaya.worker.retry.maxrandom";

    /// Server types that are not looked at.
    etcd_server_types_blacklist: Vec<String> as List = Vec::new(), "pitaya.cluster.sd.etcd.servertypesblacklist",
        also(&["pitaya.cluster.sd.etcd.servertypeblacklist"]);

    /// Received messages of one session that may wait; beyond that its connection is not read.
    session_pending: usize as Count<usize> = 64, "pitaya.session.pending",
        allowed("at least 1", at_least_one);

    /// The bytes of their bodies that may wait, as they came.
    session_pending_bytes: usize as Size = 1 << 20, "pitaya.session.pendingbytes",
        allowed("at least 1KiB", |v| *v >= 1024);

    /// Bytes that may wait to be written to one client.
    session_outbox_bytes: usize as Size = 1 << 20, "pitaya.session.outbox.bytes",
        allowed("at least 1KiB", |v| *v >= 1024);

    /// The fate of a push to a full outbox: disconnect, drop, or latest (keep the newest of each route).
    session_outbox_policy: OutboxPolicy as Choice<OutboxPolicy> = OutboxPolicy::Disconnect,
        "pitaya.session.outbox.policy";

    /// On SIGTERM, waits for the sessions to end before stopping.
    drain_enabled: bool as Flag = false, "pitaya.session.drain.enabled";

    /// The longest such a wait.
    drain_timeout: Duration as DurationValue = secs(6 * 3600), "pitaya.session.drain.timeout";

    /// Pause between two looks at (and log lines of) the sessions that remain.
    drain_period: Duration as DurationValue = secs(5), "pitaya.session.drain.period",
        allowed("more than 0s", some_time);

    /// The longest time that a start may take, waiting for NATS and etcd included. 0s waits as long as they allow.
    start_timeout: Duration as DurationValue = Duration::ZERO, "pitaya.start.timeout";

    /// The longest each step of a stop may take.
    stop_timeout: Duration as DurationValue = secs(20), "pitaya.stop.timeout",
        allowed("more than 0s", some_time);

    /// Expects a PROXY protocol header on every connection of every acceptor. It needs `pitaya.acceptor.trustedproxies`;
    /// connections of other peers are closed.
    proxy_protocol: bool as Flag = false, "pitaya.acceptor.proxyprotocol";

    /// Networks and addresses of the proxies that may tell a client's address, by a PROXY header, `X-Forwarded-For` or
    /// `Forwarded`. An empty list trusts none; `0.0.0.0/0, ::/0` trusts all.
    trusted_proxies: Vec<String> as NetworkList = Vec::new(), "pitaya.acceptor.trustedproxies",
        allowed("networks such as \"10.0.0.0/8\" and addresses such as \"10.0.0.1\"", |v| Networks::parse(v).is_ok());

    /// The pages whose WebSocket clients may connect, as browsers name them in `Origin`: `https://game.example`,
    /// `https://*.game.example`, `http://localhost:*` or `*`. An empty list allows any.
    ws_origins: Vec<String> as OriginList = Vec::new(), "pitaya.acceptor.ws.origins",
        allowed("origins such as \"https://game.example\" and \"https://*.game.example\"", |v| origins::parse(v).is_ok());

    /// The WebSocket subprotocols that this server speaks, the preferred one first. The first that a client offers is
    /// chosen.
    ws_subprotocols: Vec<String> as List = Vec::new(), "pitaya.acceptor.ws.subprotocols";

    /// The path at which WebSocket acceptors answer `GET` and `HEAD` of load balancers: 200 while the server is ready, else
    /// 503. An empty path answers no probes.
    ws_probe: String as Text = "/".to_owned(), "pitaya.acceptor.ws.probe",
        allowed("empty or a path that begins with /", |v| v.is_empty() || v.starts_with('/') && !v.contains(['?', '#', ' ']));

    /// Packets that the rate-limit wrapper (`RateLimit::from_config`) lets one connection send in an interval.
    rate_limit: usize as Count<usize> = 20, "pitaya.conn.ratelimiting.limit",
        allowed("at least 1", at_least_one);

    /// That interval; 0 limits nothing.
    rate_limit_interval: Duration as DurationValue = secs(1), "pitaya.conn.ratelimiting.interval";

    /// Switches the rate-limit wrapper off where it is installed.
    rate_limit_force_disable: bool as Flag = false, "pitaya.conn.ratelimiting.forcedisable";

    /// Counts every packet but handshake and ack, as Go Pitaya does, instead of data packets only.
    rate_limit_all_packets: bool as Flag = false, "pitaya.conn.ratelimiting.allpackets";

    /// Answers a request over a rate limit with `PIT-429` instead of dropping it.
    rate_limit_answer: bool as Flag = false, "pitaya.conn.ratelimiting.answer";

    /// Calls that one user may make in an interval, on all connections to this server; 0 is no limit.
    rate_limit_user: usize as Count<usize> = 0, "pitaya.conn.ratelimiting.user.limit";

    /// That interval.
    rate_limit_user_interval: Duration as DurationValue = secs(1), "pitaya.conn.ratelimiting.user.interval";

    /// Limits to the calls of single routes: tables with `route`, `limit`, `interval` (1s) and `peruser` (false).
    rate_limit_routes: Vec<RouteLimit> as RouteLimits = Vec::new(), "pitaya.conn.ratelimiting.routes";

    /// Size limit of a packet before the handshake is acknowledged.
    limit_packet_before_ack: usize as Size = 64 << 10, "pitaya.limit.packet.before_ack",
        allowed("1 to 16777215 bytes", packet_size);

    /// Size limit of a packet after it.
    limit_packet_after_ack: usize as Size = 1 << 20, "pitaya.limit.packet.after_ack",
        allowed("1 to 16777215 bytes", packet_size);

    /// Size limit of a message after inflating.
    limit_inflated: usize as Size = 4 << 20, "pitaya.limit.inflated",
        allowed("at least 1", at_least_one);

    /// Size limit of the head of an HTTP request to a WebSocket acceptor. It may have 200 headers.
    limit_upgrade_head: usize as Size = 64 << 10, "pitaya.limit.upgrade.head",
        allowed("1KiB to 1MiB", |v| (1 << 10..=1 << 20).contains(v));

    /// The longest a PROXY header, a TLS handshake and an HTTP upgrade may take.
    limit_header_deadline: Duration as DurationValue = secs(5), "pitaya.limit.header.deadline",
        allowed("more than 0s", some_time);

    /// The longest from the connection to the handshake's ack.
    limit_handshake_deadline: Duration as DurationValue = secs(10), "pitaya.limit.handshake.deadline",
        allowed("more than 0s", some_time);

    /// The longest from the first to the last byte of one packet.
    limit_packet_deadline: Duration as DurationValue = secs(30), "pitaya.limit.packet.deadline",
        allowed("more than 0s", some_time);

    /// Connections that a server holds at the same time; 0 means no limit.
    limit_connections: usize as Count<usize> = 0, "pitaya.limit.connections";

    /// Sends the text of foreign errors and of panics to clients, for development.
    errors_expose: bool as Flag = false, "pitaya.errors.expose";

    /// Uses the route dictionary for incoming messages only, for clients that fail on compressed push routes.
    dictionary_inbound_only: bool as Flag = false, "pitaya.dictionary.inboundonly";

    /// Pause between two searches for groups whose time is over.
    groups_memory_tick: Duration as DurationValue = secs(30), "pitaya.groups.memory.tickduration",
        allowed("more than 0s", some_time);

    /// Addresses of the etcd of the groups, as host:port or URLs: for `EtcdStore`. They are read as those of
    /// `pitaya.cluster.sd.etcd.endpoints`.
    groups_etcd_endpoints: Vec<String> as List = vec!["localhost:2379".to_owned()], "pitaya.groups.etcd.endpoints",
        allowed("at least one address", |v| !v.is_empty()), addresses();

    /// Certificates of authorities, in PEM, that the etcd of the groups is trusted by, instead of those of the system.
    /// With it an address without a scheme is `https://`. It needs the feature `tls`.
    groups_etcd_tls_ca_file: Option<PathBuf> as File = None, "pitaya.groups.etcd.tls.cafile";

    /// The prefix of its keys.
    groups_etcd_prefix: String as Text = "pitaya/".to_owned(), "pitaya.groups.etcd.prefix";

    /// The longest a connection to it may take.
    groups_etcd_dial_timeout: Duration as DurationValue = secs(5), "pitaya.groups.etcd.dialtimeout",
        allowed("more than 0s", some_time);

    /// The longest one operation may take.
    groups_etcd_transaction_timeout: Duration as DurationValue = secs(5), "pitaya.groups.etcd.transactiontimeout",
        allowed("more than 0s", some_time);

    /// How often timers with a condition (`Timers::when`) check it, and the least pause between runs of a timer that is late. It does not delay `every` and `after`.
    timer_precision: Duration as DurationValue = secs(1), "pitaya.timer.precision",
        allowed("at least 1ms", |v| v.as_millis() >= 1);

    /// How long a process of the binary module has to end after SIGTERM.
    binary_grace: Duration as DurationValue = secs(15), "pitaya.binary.grace";

    /// Pause between two reports of the metrics that are sampled.
    metrics_period: Duration as DurationValue = secs(15), "pitaya.metrics.period",
        allowed("more than 0s", some_time);

    /// The address of the HTTP server for `/livez`, `/readyz` and `/metrics`, as host:port. Empty: no such server.
    /// It needs the feature `http`; `/metrics` needs the feature `prometheus`.
    http_listen: String as Text = String::new(), "pitaya.http.listen",
        allowed("empty, or an address such as :9080", |v| v.is_empty() || v.contains(':'));

    /// Serves the metrics to Prometheus, at `/metrics` of a port of its own. It needs the feature `prometheus`.
    prometheus_enabled: bool as Flag = false, "pitaya.metrics.prometheus.enabled";

    /// The address for that, without the port. All addresses if it is empty.
    prometheus_host: String as Text = String::new(), "pitaya.metrics.prometheus.host";

    /// The port for that. If it is taken, the error is logged and the app runs without.
    prometheus_port: u16 as Count<u16> = 9090, "pitaya.metrics.prometheus.port";

    /// Exports summaries as histograms, which can be aggregated over servers, instead of with quantiles.
    prometheus_histograms: bool as Flag = false, "pitaya.metrics.prometheus.histograms";

    /// Sends the metrics to a StatsD server. It needs the feature `statsd`.
    statsd_enabled: bool as Flag = false, "pitaya.metrics.statsd.enabled";

    /// Its address: `host:port`, `host` with port 8125, or `unix:///path`. If it is empty, the variables `DD_AGENT_HOST`
    /// and `DD_DOGSTATSD_PORT` say it.
    statsd_host: String as Text = "localhost:9125".to_owned(), "pitaya.metrics.statsd.host", addresses();

    /// The prefix of all metric names, joined without a separator.
    statsd_prefix: String as Text = "pitaya.".to_owned(), "pitaya.metrics.statsd.prefix",
        allowed("letters, digits, `.`, `_` and `-`",
            |v| v.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-')));

    /// The share of counts and times that is sent, chosen at random. Each line carries the rate, so that the server can
    /// scale counts.
    statsd_rate: f64 as Number = 1.0, "pitaya.metrics.statsd.rate",
        allowed("between 0 and 1", |v| (0.0..=1.0).contains(v));

    /// The protocol: dogstatsd, with labels as tags, or statsd, with labels as parts of the names.
    statsd_dialect: StatsdDialect as Choice<StatsdDialect> = StatsdDialect::DogStatsd,
        "pitaya.metrics.statsd.dialect";

    /// Exports traces by OTLP, as the `OTEL_*` variables say. It needs the feature `otel`.
    otel_enabled: bool as Flag = false, "pitaya.tracing.otel.enabled";

    /// The label `game` of every metric.
    metrics_game: String as Text = String::new(), "pitaya.metrics.game";

    /// Labels with fixed values, for every metric. Their names are lower-cased.
    metrics_const_labels: BTreeMap<String, String> as Labels = BTreeMap::new(), "pitaya.metrics.constLabels",
        also(&["pitaya.metrics.constTags"]);

    /// Labels that a report may set, for every metric, with the value they have otherwise. Their names are lower-cased.
    metrics_additional_labels: BTreeMap<String, String> as Labels = BTreeMap::new(),
        "pitaya.metrics.additionalLabels",
        also(&["pitaya.metrics.additionalTags", "pitaya.metrics.prometheus.additionalTags"]);

    /// Counters of the application's own.
    metrics_custom_counters: Vec<CustomMetric> as Specs = Vec::new(), "pitaya.metrics.custom.counters";

    /// Gauges of the application's own.
    metrics_custom_gauges: Vec<CustomMetric> as Specs = Vec::new(), "pitaya.metrics.custom.gauges";

    /// Summaries of the application's own.
    metrics_custom_summaries: Vec<CustomMetric> as Specs = Vec::new(), "pitaya.metrics.custom.summaries";

    /// Histograms of the application's own.
    metrics_custom_histograms: Vec<CustomMetric> as Specs = Vec::new(), "pitaya.metrics.custom.histograms";
}
