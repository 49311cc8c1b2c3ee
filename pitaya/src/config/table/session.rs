//! Sessions, their queues and groups.

use std::path::PathBuf;
use std::time::Duration;

use super::{at_least_one, secs, some_time};
use crate::config::choices::OutboxPolicy;
use crate::config::key::{Key, Rule};
use crate::config::value_type::{
    Choice, Count, Deadline, DurationValue, File, Flag, List, Size, Text, ValueType,
};

keys! {
    /// Sessions and their queues: `pitaya.session`.
    SessionConfig (session) [outbox: OutboxConfig, drain: DrainConfig] {
        /// Calls of concurrent routes that may run at the same time in one session.
        concurrent: usize as Count<usize> = 64, "pitaya.session.concurrent",
            allowed("at least 1", at_least_one);

        /// Messages forwarded to other servers start on arrival, like those of concurrent routes, instead of in the order of
        /// their session.
        concurrent_forward: bool as Flag = false, "pitaya.session.concurrentforward";

        /// A user has one session at most on all frontends of a type. A newer bind kicks the older session, on
        /// any frontend.
        unique: bool as Flag = true, "pitaya.session.unique";

        /// How long a bind waits for the end of the user's older sessions, their close callbacks included.
        replace_timeout: Duration as DurationValue = secs(2), "pitaya.session.replace.timeout",
            allowed("more than 0s", some_time);

        /// Received messages of one session that may wait; beyond that its connection is not read.
        pending: usize as Count<usize> = 64, "pitaya.session.pending",
            allowed("at least 1", at_least_one);

        /// Bytes of received bodies of one session that may wait, as they came from the client.
        pending_bytes: usize as Size = 1 << 20, "pitaya.session.pendingbytes",
            allowed("at least 1KiB", |v| *v >= 1024);
    }

    /// The queue of messages to one client: `pitaya.session.outbox`.
    OutboxConfig (session.outbox) [] {
        /// Bytes that may wait to be written to one client.
        bytes: usize as Size = 1 << 20, "pitaya.session.outbox.bytes",
            allowed("at least 1KiB", |v| *v >= 1024);

        /// The fate of a push to a full outbox: disconnect, drop, or latest (keep the newest of each route).
        policy: OutboxPolicy as Choice<OutboxPolicy> = OutboxPolicy::Disconnect,
            "pitaya.session.outbox.policy";
    }

    /// Waiting for sessions to end before a stop: `pitaya.session.drain`.
    DrainConfig (session.drain) [] {
        /// On SIGTERM, waits for the sessions to end before stopping.
        enabled: bool as Flag = false, "pitaya.session.drain.enabled";

        /// The longest wait for the sessions to end.
        timeout: Duration as DurationValue = secs(6 * 3600), "pitaya.session.drain.timeout";

        /// Pause between two checks, and log lines, of the sessions that remain.
        period: Duration as DurationValue = secs(5), "pitaya.session.drain.period",
            allowed("more than 0s", some_time);
    }

    /// The messages written to one client: `pitaya.buffer.agent`.
    AgentConfig (agent) [] {
        /// Messages that may wait to be written to one client.
        messages: usize as Count<usize> = 100, "pitaya.buffer.agent.messages",
            allowed("at least 1", at_least_one);

        /// The longest one write to a client may take; zero or less stands for 10s.
        write_timeout: Duration as Deadline = secs(10), "pitaya.buffer.agent.conntimeout",
            also(&["pitaya.buffer.agent.writetimeout"]), allowed("more than 0s", some_time);
    }

    /// Groups of users: `pitaya.groups`.
    GroupsConfig (groups) [etcd: GroupsEtcdConfig] {
        /// Pause between two searches for expired groups in memory.
        memory_tick: Duration as DurationValue = secs(30), "pitaya.groups.memory.tickduration",
            allowed("more than 0s", some_time);
    }

    /// Groups stored in etcd: `pitaya.groups.etcd`.
    GroupsEtcdConfig (groups.etcd) [] {
        /// Addresses of the etcd of the groups, as host:port or URLs: for `EtcdStore`. They are read as those of
        /// `pitaya.cluster.sd.etcd.endpoints`.
        endpoints: Vec<String> as List = vec!["localhost:2379".to_owned()], "pitaya.groups.etcd.endpoints",
            allowed("at least one address", |v| !v.is_empty()), addresses();

        /// PEM file of CA certificates for the etcd of the groups that replaces the system roots. With it an address
        /// without a scheme is `https://`. It needs the feature `tls`.
        tls_ca_file: Option<PathBuf> as File = None, "pitaya.groups.etcd.tls.cafile";

        /// The prefix of the keys of the groups.
        prefix: String as Text = "pitaya/".to_owned(), "pitaya.groups.etcd.prefix";

        /// The longest a connection to the etcd of the groups may take.
        dial_timeout: Duration as DurationValue = secs(5), "pitaya.groups.etcd.dialtimeout",
            allowed("more than 0s", some_time);

        /// The longest one operation on the groups may take.
        transaction_timeout: Duration as DurationValue = secs(5), "pitaya.groups.etcd.transactiontimeout",
            allowed("more than 0s", some_time);
    }
}
