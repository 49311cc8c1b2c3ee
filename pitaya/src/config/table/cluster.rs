//! Connections to NATS, to other servers over gRPC, and to etcd.

use std::path::PathBuf;
use std::time::Duration;

use super::{at_least_one, millis, secs, some_time};
use crate::config::key::{Key, Rule};
use crate::config::value_type::{Count, DurationValue, File, Flag, List, Size, Text, ValueType};

keys! {
    /// The connection to NATS: `pitaya.cluster.rpc.client.nats`.
    NatsConfig (nats) [tls: NatsTlsConfig] {
        /// Addresses of NATS, separated by commas. `:4222` is `localhost:4222`; of a name all addresses are tried.
        connect: String as Text = "nats://localhost:4222".to_owned(), "pitaya.cluster.rpc.client.nats.connect",
            allowed("an address", |v| !v.trim().is_empty()), addresses();

        /// The longest a connection to NATS may take.
        connection_timeout: Duration as DurationValue = secs(2), "pitaya.cluster.rpc.client.nats.connectiontimeout",
            allowed("more than 0s", some_time);

        /// Attempts at the first connection to NATS; -1 means without end. One that is lost later is made again without end.
        max_reconnection_retries: i64 as Count<i64> = 15, "pitaya.cluster.rpc.client.nats.maxreconnectionretries",
            allowed("at least -1", |v| *v >= -1);

        /// Pause between two attempts to connect.
        reconnect_wait: Duration as DurationValue = secs(1), "pitaya.cluster.rpc.client.nats.reconnectwait";

        /// The longest random time that is added to the pause between two attempts.
        reconnect_jitter: Duration as DurationValue = millis(100), "pitaya.cluster.rpc.client.nats.reconnectjitter";

        /// Ping interval, to detect dead connections.
        ping_interval: Duration as DurationValue = secs(120), "pitaya.cluster.rpc.client.nats.pinginterval",
            allowed("more than 0s", some_time);

        /// Pings without an answer after which a connection counts as lost.
        max_pings_outstanding: u32 as Count<u32> = 3, "pitaya.cluster.rpc.client.nats.maxpingsoutstanding";

        /// Pause between two questions to NATS for the other brokers of its cluster, which are tried too when a connection is
        /// lost; 15 times as long where NATS demands TLS. With 0s only the configured
        /// addresses are tried.
        discovery_interval: Duration as DurationValue = secs(2), "pitaya.cluster.rpc.client.nats.discoveryinterval";

        /// A file with a JWT and the seed of a key, as `nsc` writes it, to authenticate to NATS. It needs the
        /// feature `nats-creds`.
        credentials_file: Option<PathBuf> as File = None, "pitaya.cluster.rpc.client.nats.credentialsfile";

        /// The most messages of other servers that wait to be read. Further ones are dropped and counted. Go Pitaya's
        /// default is 75, which a few busy frontends exceed.
        buffer_messages: usize as Count<usize> = 65536, "pitaya.cluster.rpc.server.nats.buffer.messages",
            allowed("at least 1", at_least_one);
    }

    /// TLS to NATS: `pitaya.cluster.rpc.client.nats.tls`.
    NatsTlsConfig (nats.tls) [] {
        /// Refuses a NATS without TLS; so does the scheme `tls://` in its address. Without either, TLS is used where NATS
        /// demands it.
        required: bool as Flag = false, "pitaya.cluster.rpc.client.nats.tls.required";

        /// PEM file of CA certificates for NATS that replaces the system roots.
        ca_file: Option<PathBuf> as File = None, "pitaya.cluster.rpc.client.nats.tls.cafile";

        /// The certificate of this server with its chain, in PEM, for a NATS that asks for it. It needs its key.
        cert_file: Option<PathBuf> as File = None, "pitaya.cluster.rpc.client.nats.tls.certfile";

        /// The key of the certificate, in PEM.
        key_file: Option<PathBuf> as File = None, "pitaya.cluster.rpc.client.nats.tls.keyfile";
    }

    /// Connections between servers over gRPC: `pitaya.cluster.rpc.client.grpc` and `pitaya.cluster.rpc.server.grpc`.
    GrpcConfig (grpc) [tls: GrpcTlsConfig] {
        /// The host that the gRPC server listens at. Empty for all addresses.
        host: String as Text = String::new(), "pitaya.cluster.rpc.server.grpc.host";

        /// The port of the gRPC server.
        port: u16 as Count<u16> = 3434, "pitaya.cluster.rpc.server.grpc.port",
            allowed("at least 1", |v| *v >= 1);

        /// The host at which other servers connect, in brackets if it is an IPv6 address. If empty, it is the host that
        /// the server listens at, or the name of the machine.
        advertised_host: String as Text = String::new(), "pitaya.cluster.rpc.server.grpc.advertisedhost";

        /// The host at which servers of other regions connect. Empty without one.
        external_host: String as Text = String::new(), "pitaya.cluster.rpc.server.grpc.externalhost";

        /// The port at which servers of other regions connect. 0 is the port of the gRPC server.
        external_port: u16 as Count<u16> = 0, "pitaya.cluster.rpc.server.grpc.externalport";

        /// The region of this server. A server of another region is reached at its external host.
        region: String as Text = String::new(), "pitaya.cluster.info.region";

        /// The longest an attempt to connect to a server may take.
        dial_timeout: Duration as DurationValue = secs(5), "pitaya.cluster.rpc.client.grpc.dialtimeout",
            allowed("more than 0s", some_time);

        /// Connects to a server when it is first called, and not when it is discovered.
        lazy_connection: bool as Flag = false, "pitaya.cluster.rpc.client.grpc.lazyconnection";

        /// The longest a call over gRPC waits for its answer, unless the caller sets a timeout.
        request_timeout: Duration as DurationValue = secs(5), "pitaya.cluster.rpc.client.grpc.requesttimeout",
            allowed("more than 0s", some_time);

        /// The most bytes of one message between servers. Servers of Go Pitaya take 4 MiB.
        max_message: usize as Size = 4 << 20, "pitaya.cluster.rpc.server.grpc.maxmessage",
            allowed("at least 1", at_least_one);

        /// The most connections of other servers. Further ones are closed.
        max_connections: usize as Count<usize> = 4096, "pitaya.cluster.rpc.server.grpc.maxconnections",
            allowed("at least 1", at_least_one);
    }

    /// TLS between servers over gRPC: `pitaya.cluster.rpc.grpc.tls`.
    GrpcTlsConfig (grpc.tls) [] {
        /// Encrypts all connections. All servers of the cluster need it, and the three files.
        enabled: bool as Flag = false, "pitaya.cluster.rpc.grpc.tls.enabled";

        /// PEM file of the CA certificates that sign the certificates of all servers.
        ca_file: Option<PathBuf> as File = None, "pitaya.cluster.rpc.grpc.tls.cafile";

        /// The certificate of this server with its chain, in PEM.
        cert_file: Option<PathBuf> as File = None, "pitaya.cluster.rpc.grpc.tls.certfile";

        /// The key of the certificate, in PEM.
        key_file: Option<PathBuf> as File = None, "pitaya.cluster.rpc.grpc.tls.keyfile";

        /// Refuses a server that connects without a certificate of the CA.
        mutual: bool as Flag = true, "pitaya.cluster.rpc.grpc.tls.mutual";

        /// The name that the certificates of other servers must have. If empty, it is the host of their address.
        server_name: String as Text = String::new(), "pitaya.cluster.rpc.grpc.tls.servername";
    }

    /// Service discovery by etcd: `pitaya.cluster.sd.etcd`.
    EtcdConfig (etcd) [grant_lease: GrantLeaseConfig] {
        /// Addresses of etcd, as host:port or URLs. `:2379` is `localhost:2379`; of a name all addresses are tried. The client
        /// addresses of members that join later are not learned: name each member by an address that outlives it.
        endpoints: Vec<String> as List = vec!["localhost:2379".to_owned()], "pitaya.cluster.sd.etcd.endpoints",
            allowed("at least one address", |v| !v.is_empty()), addresses();

        /// The user for etcd; sent only together with a password.
        user: String as Text = String::new(), "pitaya.cluster.sd.etcd.user";

        /// The password of the user for etcd.
        pass: String as Text = String::new(), "pitaya.cluster.sd.etcd.pass", secret();

        /// PEM file of CA certificates for etcd that replaces the system roots. With it an address without a scheme is
        /// `https://`. It needs the feature `tls`.
        tls_ca_file: Option<PathBuf> as File = None, "pitaya.cluster.sd.etcd.tls.cafile";

        /// The longest a connection to etcd may take.
        dial_timeout: Duration as DurationValue = secs(5), "pitaya.cluster.sd.etcd.dialtimeout",
            allowed("more than 0s", some_time);

        /// The prefix of all keys of the registry.
        prefix: String as Text = "pitaya/".to_owned(), "pitaya.cluster.sd.etcd.prefix";

        /// How long the registry keeps a server whose renewals stop.
        heartbeat_ttl: Duration as DurationValue = secs(60), "pitaya.cluster.sd.etcd.heartbeat.ttl",
            allowed("at least 1s", |v| v.as_secs() >= 1);

        /// Pause between two readings of the whole list of servers, in case a change was missed.
        sync_interval: Duration as DurationValue = secs(120), "pitaya.cluster.sd.etcd.syncservers.interval",
            allowed("more than 0s", some_time);

        /// The longest that leaving the registry may take.
        revoke_timeout: Duration as DurationValue = secs(5), "pitaya.cluster.sd.etcd.revoke.timeout",
            allowed("more than 0s", some_time);

        /// Pause after leaving the registry before this server stops answering, so that the others see it leave.
        shutdown_delay: Duration as DurationValue = millis(300), "pitaya.cluster.sd.etcd.shutdown.delay";

        /// Server types that this server ignores.
        server_types_blacklist: Vec<String> as List = Vec::new(), "pitaya.cluster.sd.etcd.servertypesblacklist",
            also(&["pitaya.cluster.sd.etcd.servertypeblacklist"]);
    }

    /// The registration in etcd: `pitaya.cluster.sd.etcd.grantlease`.
    GrantLeaseConfig (etcd.grant_lease) [] {
        /// The longest one attempt to register may take.
        timeout: Duration as DurationValue = secs(60), "pitaya.cluster.sd.etcd.grantlease.timeout",
            allowed("more than 0s", some_time);

        /// Attempts to register at start. A registration that is lost later is made again without end.
        max_retries: u32 as Count<u32> = 15, "pitaya.cluster.sd.etcd.grantlease.maxretries";

        /// Delay between attempts to register.
        retry_interval: Duration as DurationValue = secs(5), "pitaya.cluster.sd.etcd.grantlease.retryinterval";
    }

    /// Which frontend has a user: `pitaya.modules.bindingstorage`.
    BindingStorageConfig (binding_storage) [etcd: BindingStorageEtcdConfig] {
        /// The longest a bind, or a lookup of a user, waits for the binding storage. A bind succeeds without it.
        timeout: Duration as DurationValue = secs(1), "pitaya.modules.bindingstorage.timeout",
            allowed("more than 0s", some_time);
    }

    /// The binding storage in etcd: `pitaya.modules.bindingstorage.etcd`.
    BindingStorageEtcdConfig (binding_storage.etcd) [] {
        /// Addresses of the etcd of the bindings, as host:port or URLs: for `EtcdBindingStorage`. They are read as those of
        /// `pitaya.cluster.sd.etcd.endpoints`. The user and password are those of `pitaya.cluster.sd.etcd`.
        endpoints: Vec<String> as List = vec!["localhost:2379".to_owned()],
            "pitaya.modules.bindingstorage.etcd.endpoints",
            allowed("at least one address", |v| !v.is_empty()), addresses();

        /// PEM file of CA certificates for the etcd of the bindings that replaces the system roots. With it an address
        /// without a scheme is `https://`. It needs the feature `tls`.
        tls_ca_file: Option<PathBuf> as File = None, "pitaya.modules.bindingstorage.etcd.tls.cafile";

        /// The prefix of the keys of the bindings.
        prefix: String as Text = "pitaya/".to_owned(), "pitaya.modules.bindingstorage.etcd.prefix";

        /// The longest a connection to the etcd of the bindings may take.
        dial_timeout: Duration as DurationValue = secs(5), "pitaya.modules.bindingstorage.etcd.dialtimeout",
            allowed("more than 0s", some_time);

        /// How long the bindings of a killed frontend stay. A running one keeps its bindings alive.
        lease_ttl: Duration as DurationValue = secs(5 * 3600), "pitaya.modules.bindingstorage.etcd.leasettl",
            allowed("at least 1s", |v| v.as_secs() >= 1);

        /// The longest one operation on the bindings may take.
        transaction_timeout: Duration as DurationValue = secs(5), "pitaya.modules.bindingstorage.etcd.transactiontimeout",
            allowed("more than 0s", some_time);
    }
}
