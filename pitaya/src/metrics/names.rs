//! Every metric of the framework. This is the only place that has their names.
//!
//! Those that the original has keep its names; times are in nanoseconds, as the `_ns` of their names says. Heap
//! figures are missing: they would need a say in which allocator a program uses.

use super::Metric;

/// The quantiles of every time that is measured.
const TIMES: &[(f64, f64)] = &[(0.7, 0.02), (0.95, 0.005), (0.99, 0.001)];

/// From a message's arrival to the reply's place in the outbox, or to the end of a notify's handler.
/// `status` is `ok` or `failed`, `code` is empty if all is well. `type` is `handler` for a client's message, `rpc` for
/// a call of another server (one that a client's message became among them), `remote` for a call that came from one.
/// `route` is empty for a route that does not exist, and for one of another server until its application has answered.
pub static RESPONSE_TIME: Metric =
    Metric::summary("handler", "response_time_ns", "Time from a message to its answer, in ns", TIMES)
        .labels(&["route", "status", "type", "code"]);

/// From a message's arrival to the start of its handler; `type` is `local` or `remote`.
pub static HANDLER_DELAY: Metric =
    Metric::summary("handler", "handler_delay_ns", "Time a message waited for its handler, in ns", TIMES)
        .labels(&["route", "type"]);

/// Sessions of clients that are connected now.
pub static CONNECTED_CLIENTS: Metric =
    Metric::gauge("acceptor", "connected_clients", "Clients connected now");

/// Packets that the rate limiter dropped.
pub static EXCEEDED_RATE_LIMITING: Metric =
    Metric::counter("acceptor", "exceeded_rate_limiting", "Packets dropped by the rate limiter");

/// Packets that another wrapper dropped.
pub static FILTERED_PACKETS: Metric = Metric::counter(
    "acceptor",
    "filtered_packets",
    "Packets dropped by a wrapper other than the rate limiter",
);

/// Connections that came to no session. `reason` is `limit` (`pitaya.limit.connections`), `accept` (the acceptor
/// failed), or what went wrong in setting up: `deadline`, `io`, `proxy`, `tls`, `upgrade`, `panic`.
pub static REFUSED_CONNECTIONS: Metric =
    Metric::counter("acceptor", "refused_connections", "Connections that came to no session")
        .labels(&["reason"]);

/// Free places of a bounded queue; `channel` names the queue. The original's name for a client's outbox is
/// `agent_chsend`: reported whenever its writer takes all that is in it, so the lowest since it did so before.
pub static CHANNEL_CAPACITY: Metric = Metric::histogram(
    "channel",
    "channel_capacity",
    "Free places of a queue",
    &[0.0, 1.0, 10.0, 50.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 1500.0, 2000.0, 3000.0, 4000.0, 5000.0],
)
.labels(&["channel"]);

/// Live tasks of the runtime, under the name that the original has for what it counts.
pub static TASKS: Metric = Metric::gauge("sys", "goroutines", "Live tasks of the runtime");

/// Messages that wait in the outboxes of all sessions.
pub static OUTBOX_MESSAGES: Metric =
    Metric::gauge("session", "outbox_messages", "Messages waiting to be written to clients");

/// Their bytes.
pub static OUTBOX_BYTES: Metric =
    Metric::gauge("session", "outbox_bytes", "Bytes waiting to be written to clients");

/// How long a writer into a full outbox waited for room.
pub static OUTBOX_WAIT: Metric =
    Metric::summary("session", "outbox_wait_ns", "Time waited for room in a full outbox, in ns", TIMES);

/// Messages that a full outbox dropped or replaced, or that were in it when it closed.
/// `reason` is `full`, `replaced` or `closed`.
pub static OUTBOX_DROPPED: Metric =
    Metric::counter("session", "outbox_dropped_messages", "Messages that were not written to clients")
        .labels(&["reason"]);

/// Received messages that wait for their turn, in all sessions. How long each waited is [`HANDLER_DELAY`].
pub static PENDING_MESSAGES: Metric =
    Metric::gauge("session", "pending_messages", "Received messages waiting for their turn");

/// Received messages that were still waiting when their session closed.
pub static PENDING_DROPPED: Metric =
    Metric::counter("session", "pending_dropped_messages", "Received messages dropped by a close");

/// Calls of concurrent routes that run now, in all sessions.
pub static CONCURRENT_CALLS: Metric =
    Metric::gauge("session", "concurrent_calls", "Calls of concurrent routes running now");

/// How long a call of a concurrent route waited because its session was at the bound.
pub static CONCURRENT_WAIT: Metric = Metric::summary(
    "session",
    "concurrent_wait_ns",
    "Time a call of a concurrent route waited at its session's bound, in ns",
    TIMES,
);

/// Servers that are known, of each type.
pub static COUNT_SERVERS: Metric =
    Metric::gauge("service_discovery", "count_servers", "Servers known, by type").labels(&["type"]);

/// Messages of other servers that cannot be understood. `kind` is `request`, `push`, `kick`, `binding` or `broadcast`.
pub static UNREADABLE_MESSAGES: Metric =
    Metric::counter("rpc_server", "unreadable_messages", "Messages of other servers that are none")
        .labels(&["kind"]);

/// Messages of other servers that this one did not take in fast enough, since it started.
pub static DROPPED_MESSAGES: Metric =
    Metric::gauge("rpc_server", "dropped_messages", "Messages of other servers that were dropped");

/// What the transport of a cluster counts. `event` is, over NATS, the name of a field of `NatsCounts`: `slow_consumers`,
/// `refused_requests`, `refused_calls`, `oversized_answers`, `lost_answers`, `refused_subscriptions`, `reconnects` or `moves`.
pub static TRANSPORT_EVENTS: Metric =
    Metric::counter("cluster", "transport_events", "What happened to the transport between servers")
        .labels(&["event"]);

/// What discovery counts. `event` is, over etcd, `skipped` (entries that are no servers), `registrations` (of the own
/// server) or `failures` (etcd was lost, or could not be reached).
pub static DISCOVERY_EVENTS: Metric =
    Metric::counter("cluster", "discovery_events", "What happened to the discovery of servers")
        .labels(&["event"]);

/// Calls and answers that stopped waiting for a message that another server had published to this frontend before them,
/// after 2 s: that message was lost, or is very late.
pub static ORDER_TIMEOUTS: Metric =
    Metric::counter("cluster", "order_timeouts", "Waits for earlier messages that ended without them");

/// All of the above.
pub static ALL: [&Metric; 22] = [
    &RESPONSE_TIME,
    &HANDLER_DELAY,
    &CONNECTED_CLIENTS,
    &EXCEEDED_RATE_LIMITING,
    &FILTERED_PACKETS,
    &REFUSED_CONNECTIONS,
    &CHANNEL_CAPACITY,
    &TASKS,
    &OUTBOX_MESSAGES,
    &OUTBOX_BYTES,
    &OUTBOX_WAIT,
    &OUTBOX_DROPPED,
    &PENDING_MESSAGES,
    &PENDING_DROPPED,
    &CONCURRENT_CALLS,
    &CONCURRENT_WAIT,
    &COUNT_SERVERS,
    &UNREADABLE_MESSAGES,
    &DROPPED_MESSAGES,
    &TRANSPORT_EVENTS,
    &DISCOVERY_EVENTS,
    &ORDER_TIMEOUTS,
];
