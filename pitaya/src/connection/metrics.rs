//! The metrics of connections.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::acceptor::DropReason;
use crate::component::{EntryId, Tables};
use crate::error::Error;
use crate::metrics::{
    BoundMetric, CONCURRENT_CALLS, CONCURRENT_WAIT, CONNECTED_CLIENTS, EXCEEDED_RATE_LIMITING,
    FILTERED_PACKETS, Metrics, PENDING_DROPPED, PENDING_MESSAGES, REJECTED_CONNECTIONS, RemoteRoutes,
    RouteTimings, SharedGauge,
};

/// The route that a call is reported and logged under.
#[derive(Debug, Clone)]
pub(crate) enum RouteLabel {
    /// A handler of this server.
    Local(EntryId),
    /// A message that was forwarded to another server.
    Remote(Arc<str>),
    /// A route without a target.
    Unresolved,
}

/// Calls of one route that arrived with one read and finished in their first poll.
///
/// Their answers leave with one write. So they have one response time, and one reading of the clock is enough.
#[derive(Debug)]
pub(super) struct CompletedBatch {
    entry: Option<EntryId>,
    arrived: Instant,
    calls: u64,
}

impl Default for CompletedBatch {
    fn default() -> Self {
        Self { entry: None, arrived: Instant::now(), calls: 0 }
    }
}

impl CompletedBatch {
    /// Counts a call. Returns `false`, and does not count it, if its route or read differs from the batch.
    #[inline]
    pub(super) fn add(&mut self, entry: EntryId, arrived: Instant) -> bool {
        if self.entry.is_none() {
            *self = Self { entry: Some(entry), arrived, calls: 0 };
        }
        let same = self.entry == Some(entry) && self.arrived == arrived;
        self.calls += u64::from(same);
        same
    }

    /// Empties the batch.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.entry = None;
    }
}

/// The metrics of all connections of an app.
#[derive(Debug)]
pub(crate) struct ConnectionMetrics {
    routes: Vec<RouteTimings>,
    /// Timings of forwarded routes. All routes that do not exist share one entry, because clients can name any.
    remote: RemoteRoutes,
    silent: bool,
    connected: BoundMetric,
    limited: BoundMetric,
    filtered: BoundMetric,
    metrics: Metrics,
    dropped: BoundMetric,
    pending: SharedGauge,
    concurrent: SharedGauge,
    concurrent_wait: BoundMetric,
}

impl ConnectionMetrics {
    pub(crate) fn new(metrics: &Metrics, tables: &Tables) -> Self {
        let level = |metric| metrics.shared_gauge(metric, &[]).unwrap_or_default();
        Self {
            routes: tables
                .handlers
                .entries()
                .iter()
                .map(|e| RouteTimings::local(metrics, e.route()))
                .collect(),
            remote: RemoteRoutes::new(metrics, RouteTimings::local),
            silent: metrics.is_empty(),
            connected: metrics.bind_or_log(&CONNECTED_CLIENTS, &[]),
            filtered: metrics.bind_or_log(&FILTERED_PACKETS, &[]),
            metrics: metrics.clone(),
            limited: metrics.bind_or_log(&EXCEEDED_RATE_LIMITING, &[]),
            dropped: metrics.bind_or_log(&PENDING_DROPPED, &[]),
            pending: level(&PENDING_MESSAGES),
            concurrent: level(&CONCURRENT_CALLS),
            concurrent_wait: metrics.bind_or_log(&CONCURRENT_WAIT, &[]),
        }
    }

    /// Records the delay of a message that waited since it was read.
    pub(crate) fn record_queue_delay(&self, entry: EntryId, arrived: Instant) {
        if !self.silent {
            self.routes[entry.index()].delayed(arrived.elapsed());
        }
    }

    /// Records that a message did not wait.
    #[inline]
    pub(crate) fn record_no_delay(&self, entry: EntryId) {
        self.routes[entry.index()].delayed(Duration::ZERO);
    }

    /// Records the calls of a batch, whose answers are written now.
    #[inline]
    pub(super) fn record_batch(&self, completed: &CompletedBatch) {
        if let Some(entry) = completed.entry
            && !self.silent
        {
            let time = std::time::Instant::now().saturating_duration_since(completed.arrived.into_std());
            self.routes[entry.index()].succeeded_together(time, completed.calls);
        }
    }

    /// Records a finished call.
    #[inline]
    pub(crate) fn record_call(&self, label: &RouteLabel, arrived: Instant, error: Option<&Error>) {
        if self.silent {
            return;
        }
        let time = std::time::Instant::now().saturating_duration_since(arrived.into_std());
        match label {
            RouteLabel::Local(entry) => self.routes[entry.index()].ended(time, error),
            RouteLabel::Remote(route) => self.remote.of(route, error).ended(time, error),
            RouteLabel::Unresolved => self.remote.others().ended(time, error),
        }
    }

    pub(super) fn record_filtered(&self, reason: DropReason) {
        match reason {
            DropReason::RateLimit => self.limited.record(1.0),
            DropReason::Filter => self.filtered.record(1.0),
        }
    }

    /// Records a connection that got no session.
    #[cold]
    pub(crate) fn record_rejected(&self, reason: &'static str) {
        self.metrics.bind_or_log(&REJECTED_CONNECTIONS, &[("reason", reason)]).record(1.0);
    }

    #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^53 clients")]
    pub(crate) fn connected(&self, count: usize) {
        self.connected.record(count as f64);
    }

    pub(crate) fn queued(&self) {
        self.pending.add(1);
    }

    pub(crate) fn unqueued(&self, messages: usize) {
        self.pending.sub(messages);
    }

    #[expect(clippy::cast_precision_loss, reason = "a queue is short")]
    pub(crate) fn dropped(&self, messages: usize) {
        self.dropped.record(messages as f64);
    }

    pub(crate) fn concurrent_started(&self, arrived: Instant) {
        self.concurrent.add(1);
        self.concurrent_wait.record_time(arrived.elapsed());
    }

    pub(crate) fn concurrent_ended(&self) {
        self.concurrent.sub(1);
    }
}
