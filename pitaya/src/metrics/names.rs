//! Every metric of the framework. This is the only place that has their names.
//!
//! Those that the original has keep its names and help texts; times are in nanoseconds, as the `_ns` of their names
//! says.

use super::Metric;

/// The quantiles of every time that is measured.
const TIMES: &[(f64, f64)] = &[(0.7, 0.02), (0.95, 0.005), (0.99, 0.001)];

/// From a message's arrival to the reply's place in the outbox, or to the end of a notify's handler.
/// `status` is `ok` or `failed`, `code` is empty if all is well. `type` is `handler` for a client's message, `rpc` for
/// a call of another server (one that a client's message became among them), `remote` for a call that came from one.
/// `route` is empty for a route that does not exist, and for one of another server until its application has answered.
pub static RESPONSE_TIME: Metric =
    Metric::summary("handler", "response_time_ns", "the time to process a msg in nanoseconds", TIMES)
        .labels(&["route", "status", "type", "code"]);

/// From a message's arrival to the start of its handler; `type` is `local` or `remote`.
pub static HANDLER_DELAY: Metric = Metric::summary(
    "handler",
    "handler_delay_ns",
    "the delay to start processing a msg in nanoseconds",
    TIMES,
)
.labels(&["route", "type"]);

/// Sessions of clients that are connected now.
pub static CONNECTED_CLIENTS: Metric =
    Metric::gauge("acceptor", "connected_clients", "the number of clients connected right now");

/// Packets that the rate limiter dropped.
pub static EXCEEDED_RATE_LIMITING: Metric = Metric::counter(
    "acceptor",
    "exceeded_rate_limiting",
    "the number of blocked requests by exceeded rate limiting",
);

/// Packets that another wrapper dropped.
pub static FILTERED_PACKETS: Metric = Metric::counter(
    "acceptor",
    "filtered_packets",
    "Packets that a wrapper of an acceptor dropped, except the rate limiter",
);

/// Connections that came to no session. `reason` is `limit` (`pitaya.limit.connections`), `accept` (the acceptor
/// failed), or what went wrong in setting up: `deadline`, `io`, `proxy`, `tls`, `upgrade`, `panic`.
pub static REFUSED_CONNECTIONS: Metric =
    Metric::counter("acceptor", "refused_connections", "Connections refused before a session began")
        .labels(&["reason"]);

/// Free places of a bounded queue; `channel` names the queue. The original's name for a client's outbox is
/// `agent_chsend`: reported whenever its writer takes all that is in it, so the lowest since it did so before.
pub static CHANNEL_CAPACITY: Metric = Metric::histogram(
    "channel",
    "channel_capacity",
    "the available capacity of the channel",
    &[0.0, 1.0, 10.0, 50.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 1500.0, 2000.0, 3000.0, 4000.0, 5000.0],
)
.labels(&["channel"]);

/// Live tasks of the runtime, under the name that the original has for what it counts.
pub static TASKS: Metric = Metric::gauge("sys", "goroutines", "the current number of goroutines");

/// Bytes of the heap that are in use: what the program's [`Heap`](super::Heap) says, else the anonymous memory of the
/// process.
pub static HEAP_SIZE: Metric = Metric::gauge("sys", "heapsize", "the current heap size");

/// Live allocations. Reported only if the program's [`Heap`](super::Heap) says how many there are.
pub static HEAP_OBJECTS: Metric =
    Metric::gauge("sys", "heapobjects", "the current number of allocated heap objects");

/// Threads that run the tasks of the runtime.
pub static RUNTIME_WORKERS: Metric = Metric::gauge("sys", "runtime_workers", "Worker threads of the runtime");

/// Tasks that wait in the runtime's shared queue for a worker thread.
pub static RUNTIME_QUEUE: Metric =
    Metric::gauge("sys", "runtime_queue", "Tasks waiting in the shared queue of the runtime");

/// Requests for a label set beyond the limit of a metric, which went to its series `other`. `metric` is the full name.
pub static SERIES_OVERFLOWS: Metric = Metric::counter(
    "metrics",
    "series_overflows",
    "Requests for a label set beyond the limit of a metric, recorded as `other`",
)
.labels(&["metric"]);

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
pub static COUNT_SERVERS: Metric = Metric::gauge(
    "service_discovery",
    "count_servers",
    "the number of discovered servers by service discovery",
)
.labels(&["type"]);

/// Messages of other servers that cannot be understood. `kind` is `request`, `push`, `kick`, `binding` or `broadcast`.
pub static UNREADABLE_MESSAGES: Metric =
    Metric::counter("rpc_server", "unreadable_messages", "Messages of other servers that cannot be decoded")
        .labels(&["kind"]);

/// Messages of other servers that this one did not take in fast enough, since it started.
pub static DROPPED_MESSAGES: Metric = Metric::gauge(
    "rpc_server",
    "dropped_messages",
    "the number of rpc server dropped messages (messages that are not handled)",
);

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
pub static ALL: [&Metric; 27] = [
    &RESPONSE_TIME,
    &HANDLER_DELAY,
    &CONNECTED_CLIENTS,
    &EXCEEDED_RATE_LIMITING,
    &FILTERED_PACKETS,
    &REFUSED_CONNECTIONS,
    &CHANNEL_CAPACITY,
    &TASKS,
    &HEAP_SIZE,
    &HEAP_OBJECTS,
    &RUNTIME_WORKERS,
    &RUNTIME_QUEUE,
    &SERIES_OVERFLOWS,
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
