//! Every metric of the framework. This is the only place that has their names.
//!
//! Metrics of Go Pitaya keep its names and help texts. Times are in nanoseconds, as `_ns` in their names says.

use super::Metric;

/// The quantiles of every summary of times.
const TIMES: &[(f64, f64)] = &[(0.7, 0.02), (0.95, 0.005), (0.99, 0.001)];

/// Time from a message's arrival until its reply is in the outbox, or until a notify's handler ends.
///
/// - `status` is `ok` or `failed`. `code` is the error's code, empty without an error.
/// - `type` is `handler` for a client's message, `rpc` for a call of another server (also a forwarded message), and
///   `remote` for a call from another server.
/// - `route` is empty for a route that does not exist, and for a route of another server until its application has
///   answered on it.
pub static RESPONSE_TIME: Metric =
    Metric::summary("handler", "response_time_ns", "the time to process a msg in nanoseconds", TIMES)
        .labels(&["route", "status", "type", "code"]);

/// Time from a message's arrival to the start of its handler. `type` is `local` or `remote`.
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

/// Packets that a wrapper dropped, except the rate limiter.
pub static FILTERED_PACKETS: Metric = Metric::counter(
    "acceptor",
    "filtered_packets",
    "Packets that a wrapper of an acceptor dropped, except the rate limiter",
);

/// Connections that were rejected before a session began.
///
/// `reason` is `limit` (`pitaya.limit.connections`), `accept` (the acceptor failed), or the step of the set-up that
/// failed: `deadline`, `io`, `proxy`, `untrusted`, `tls`, `upgrade`, `panic`.
pub static REJECTED_CONNECTIONS: Metric =
    Metric::counter("acceptor", "rejected_connections", "Connections refused before a session began")
        .labels(&["reason"]);

/// Free places of a bounded queue. `channel` names the queue.
///
/// `agent_chsend`, Go Pitaya's name, is a client's outbox. It is reported each time the writer empties the outbox, with
/// the lowest value since the report before.
pub static CHANNEL_CAPACITY: Metric = Metric::histogram(
    "channel",
    "channel_capacity",
    "the available capacity of the channel",
    &[0.0, 1.0, 10.0, 50.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 1500.0, 2000.0, 3000.0, 4000.0, 5000.0],
)
.labels(&["channel"]);

/// Live tasks of the runtime, under Go Pitaya's name for goroutines.
pub static TASKS: Metric = Metric::gauge("sys", "goroutines", "the current number of goroutines");

/// Bytes of the heap in use, from the program's [`Heap`](super::Heap), else the anonymous memory of the process.
pub static HEAP_SIZE: Metric = Metric::gauge("sys", "heapsize", "the current heap size");

/// Live allocations. Reported only if the program's [`Heap`](super::Heap) counts them.
pub static HEAP_OBJECTS: Metric =
    Metric::gauge("sys", "heapobjects", "the current number of allocated heap objects");

/// Worker threads of the runtime.
pub static RUNTIME_WORKERS: Metric = Metric::gauge("sys", "runtime_workers", "Worker threads of the runtime");

/// Tasks that wait in the runtime's shared queue for a worker thread.
pub static RUNTIME_QUEUE: Metric =
    Metric::gauge("sys", "runtime_queue", "Tasks waiting in the shared queue of the runtime");

/// Requests for a label set beyond the limit of a metric, recorded as `other`. `metric` is the full name.
pub static SERIES_OVERFLOWS: Metric = Metric::counter(
    "metrics",
    "series_overflows",
    "Requests for a label set beyond the limit of a metric, recorded as `other`",
)
.labels(&["metric"]);

/// Messages that wait in the outboxes of all sessions.
pub static OUTBOX_MESSAGES: Metric =
    Metric::gauge("session", "outbox_messages", "Messages waiting to be written to clients");

/// Bytes of the messages that wait in the outboxes of all sessions.
pub static OUTBOX_BYTES: Metric =
    Metric::gauge("session", "outbox_bytes", "Bytes waiting to be written to clients");

/// Time that a writer waited for room in a full outbox.
pub static OUTBOX_WAIT: Metric =
    Metric::summary("session", "outbox_wait_ns", "Time waited for room in a full outbox, in ns", TIMES);

/// Messages that were not written to clients.
///
/// `reason` is `full` or `replaced` for a full outbox, and `closed` for messages in an outbox that was closed.
pub static OUTBOX_DROPPED: Metric =
    Metric::counter("session", "outbox_dropped_messages", "Messages that were not written to clients")
        .labels(&["reason"]);

/// Received messages that wait for their turn, in all sessions. [`HANDLER_DELAY`] has the time of each.
pub static PENDING_MESSAGES: Metric =
    Metric::gauge("session", "pending_messages", "Received messages waiting for their turn");

/// Received messages that were still waiting when their session closed.
pub static PENDING_DROPPED: Metric =
    Metric::counter("session", "pending_dropped_messages", "Received messages dropped by a close");

/// Calls of concurrent routes that run now, in all sessions.
pub static CONCURRENT_CALLS: Metric =
    Metric::gauge("session", "concurrent_calls", "Calls of concurrent routes running now");

/// Time that a call of a concurrent route waited because its session was at the bound.
pub static CONCURRENT_WAIT: Metric = Metric::summary(
    "session",
    "concurrent_wait_ns",
    "Time a call of a concurrent route waited at its session's bound, in ns",
    TIMES,
);

/// Bodies that could not be recoded for a client with a serializer of its own.
///
/// `kind` is `message` for a message to another server, which fails with `PIT-400`, `PIT-415`, or `PIT-000` after a panic;
/// `reply` for the reply of another server, which fails with `PIT-000` or `PIT-415`; and `push` for a push that clients do
/// not get. A push to many clients counts once for each serializer, and one that came for a single user counts once.
pub static RECODE_FAILURES: Metric = Metric::counter(
    "session",
    "recode_failures",
    "Bodies that could not be recoded for a client with a serializer of its own",
)
.labels(&["kind"]);

/// Known servers of each type.
pub static COUNT_SERVERS: Metric = Metric::gauge(
    "service_discovery",
    "count_servers",
    "the number of discovered servers by service discovery",
)
.labels(&["type"]);

/// Messages of other servers that cannot be decoded. `kind` is `request`, `push`, `kick`, `binding` or `broadcast`.
pub static DECODE_ERRORS: Metric =
    Metric::counter("rpc_server", "decode_errors", "Messages of other servers that cannot be decoded")
        .labels(&["kind"]);

/// Messages of other servers that this server dropped because it was too slow, since its start.
pub static DROPPED_MESSAGES: Metric = Metric::gauge(
    "rpc_server",
    "dropped_messages",
    "the number of rpc server dropped messages (messages that are not handled)",
);

/// Messages that were dropped because too many waited for one subject.
pub static TRANSPORT_SLOW_CONSUMERS: Metric = Metric::counter(
    "cluster",
    "transport_slow_consumers",
    "Messages dropped because too many waited for one subject",
);

/// Requests of other servers that were answered with `PIT-503` because too many waited for their answers.
pub static TRANSPORT_REFUSED_REQUESTS: Metric = Metric::counter(
    "cluster",
    "transport_refused_requests",
    "Requests answered with `PIT-503` because too many waited for their answers",
);

/// Calls of this server that were not sent because too many waited for their answers.
pub static TRANSPORT_REFUSED_CALLS: Metric = Metric::counter(
    "cluster",
    "transport_refused_calls",
    "Calls that were not sent because too many waited for their answers",
);

/// Answers that exceeded the size limit of a message. Each was replaced by an error.
pub static TRANSPORT_OVERSIZED_ANSWERS: Metric = Metric::counter(
    "cluster",
    "transport_oversized_answers",
    "Answers over the size limit of a message, each replaced by an error",
);

/// Messages of other servers that were dropped because they exceeded the size limit of a message.
pub static TRANSPORT_OVERSIZED_MESSAGES: Metric = Metric::counter(
    "cluster",
    "transport_oversized_messages",
    "Messages of other servers over the size limit of a message, each dropped",
);

/// Answers that were ready while there was no connection.
pub static TRANSPORT_LOST_ANSWERS: Metric = Metric::counter(
    "cluster",
    "transport_lost_answers",
    "Answers that were lost because there was no connection",
);

/// Subscriptions that the broker did not allow.
pub static TRANSPORT_REFUSED_SUBSCRIPTIONS: Metric = Metric::counter(
    "cluster",
    "transport_refused_subscriptions",
    "Subscriptions that the broker did not allow",
);

/// Connections that replaced a lost connection.
pub static TRANSPORT_RECONNECTS: Metric =
    Metric::counter("cluster", "transport_reconnects", "Connections that replaced a lost connection");

/// Connections that replaced one to a broker that was about to stop. Nothing was lost.
pub static TRANSPORT_MOVES: Metric = Metric::counter(
    "cluster",
    "transport_moves",
    "Connections that replaced one to a broker about to stop, without a loss",
);

/// Brokers that other brokers named, besides those of the options.
pub static TRANSPORT_LEARNED_BROKERS: Metric = Metric::counter(
    "cluster",
    "transport_learned_brokers",
    "Brokers that other brokers named, besides those of the options",
);

/// Entries of the registry that cannot be decoded as servers.
pub static DISCOVERY_SKIPPED_ENTRIES: Metric =
    Metric::counter("cluster", "discovery_skipped_entries", "Entries of the registry that are no servers");

/// Registrations of this server in the registry.
pub static DISCOVERY_REGISTRATIONS: Metric =
    Metric::counter("cluster", "discovery_registrations", "Registrations of this server");

/// Times that the registry was lost or could not be reached.
pub static DISCOVERY_FAILURES: Metric = Metric::counter(
    "cluster",
    "discovery_failures",
    "Losses of the registry, and failed attempts to reach it",
);

/// Waits for an earlier message of another server that ended after 2 s without it.
///
/// A call or an answer waits for the messages that its server published to this frontend before it. A message that does
/// not arrive is lost or very late.
pub static ORDER_TIMEOUTS: Metric =
    Metric::counter("cluster", "order_timeouts", "Waits for earlier messages that ended without them");

/// Failed jobs that wait for their retry. This and the other metrics of jobs are read from Redis each
/// `pitaya.metrics.period`, by servers that run jobs. They count the jobs of all servers of a namespace.
pub static WORKER_RETRIES: Metric =
    Metric::gauge("worker", "worker_jobs_retry_total", "the current number of job retries");

/// Jobs that wait in the queue.
pub static WORKER_QUEUE: Metric =
    Metric::gauge("worker", "worker_queue_size", "the current queue size").labels(&["queue"]);

/// Runs of jobs since the counters in Redis exist; `status` is `ok` or `failed`.
pub static WORKER_JOBS: Metric =
    Metric::gauge("worker", "worker_jobs_total", "the total executed jobs").labels(&["status"]);

/// Jobs that will not run again: those without a retry left, and those that can never succeed.
pub static WORKER_DEAD: Metric = Metric::gauge("worker", "worker_jobs_dead", "Jobs that will not run again");

/// All metrics of the framework.
pub static ALL: [&Metric; 43] = [
    &RESPONSE_TIME,
    &HANDLER_DELAY,
    &CONNECTED_CLIENTS,
    &EXCEEDED_RATE_LIMITING,
    &FILTERED_PACKETS,
    &REJECTED_CONNECTIONS,
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
    &RECODE_FAILURES,
    &COUNT_SERVERS,
    &DECODE_ERRORS,
    &DROPPED_MESSAGES,
    &TRANSPORT_SLOW_CONSUMERS,
    &TRANSPORT_REFUSED_REQUESTS,
    &TRANSPORT_REFUSED_CALLS,
    &TRANSPORT_OVERSIZED_ANSWERS,
    &TRANSPORT_OVERSIZED_MESSAGES,
    &TRANSPORT_LOST_ANSWERS,
    &TRANSPORT_REFUSED_SUBSCRIPTIONS,
    &TRANSPORT_RECONNECTS,
    &TRANSPORT_MOVES,
    &TRANSPORT_LEARNED_BROKERS,
    &DISCOVERY_SKIPPED_ENTRIES,
    &DISCOVERY_REGISTRATIONS,
    &DISCOVERY_FAILURES,
    &ORDER_TIMEOUTS,
    &WORKER_RETRIES,
    &WORKER_QUEUE,
    &WORKER_JOBS,
    &WORKER_DEAD,
];
