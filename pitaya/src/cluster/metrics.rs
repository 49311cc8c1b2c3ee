//! The metrics of a node.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::Servers;
use crate::component::{EntryId, Tables};
use crate::error::Error;
use crate::metrics::{
    BoundMetric, COUNT_SERVERS, DECODE_ERRORS, DROPPED_MESSAGES, Metric, Metrics, ORDER_TIMEOUTS,
    RemoteRoutes, RouteTimings,
};
use crate::util::sync::Mutex;

/// The instruments of a node.
pub(crate) struct ClusterMetrics {
    metrics: Metrics,
    remote_routes: RemoteRoutes,
    served: OnceLock<Served>,
    /// The count of each counter at its last report, by the name of the metric.
    counted: Mutex<BTreeMap<&'static str, u64>>,
}

/// The instruments of the local routes.
struct Served {
    handlers: Vec<RouteTimings>,
    remotes: Vec<RouteTimings>,
}

impl ClusterMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            metrics: metrics.clone(),
            remote_routes: RemoteRoutes::new(metrics, RouteTimings::called),
            served: OnceLock::new(),
            counted: Mutex::default(),
        }
    }

    /// Creates the instruments of the local routes.
    pub(super) fn serve(&self, tables: &Tables) {
        let all = |table: &crate::component::Table, make: fn(&Metrics, &str) -> RouteTimings| {
            table.entries().iter().map(|entry| make(&self.metrics, entry.route())).collect()
        };
        let _ = self.served.set(Served {
            handlers: all(&tables.handlers, RouteTimings::local),
            remotes: all(&tables.remotes, RouteTimings::served),
        });
    }

    /// Counts the servers of each type whenever they change.
    pub(super) fn watch(&self, servers: &Arc<Servers>) {
        if self.metrics.is_empty() {
            return;
        }
        let handles: Mutex<BTreeMap<Arc<str>, BoundMetric>> = Mutex::default();
        let (metrics, view) = (self.metrics.clone(), Arc::downgrade(servers));
        servers.on_change(move |change| {
            let Some(servers) = view.upgrade() else { return };
            let server_type = &change.server().server_type;
            let count = servers.look(|view| view.of_type(server_type).len());
            let mut handles = handles.lock();
            let handle = handles
                .entry(Arc::clone(server_type))
                .or_insert_with(|| metrics.bind_or_log(&COUNT_SERVERS, &[("type", server_type)]));
            #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^53 servers")]
            handle.record(count as f64);
        });
    }

    /// Reports how many messages were dropped since the start.
    #[expect(clippy::cast_precision_loss, reason = "a gauge needs no more than 53 bits")]
    pub(super) fn dropped(&self, messages: u64) {
        self.metrics.bind_or_log(&DROPPED_MESSAGES, &[]).record(messages as f64);
    }

    /// Adds to each counter the growth of its count since the last report. Counts begin at the start.
    #[expect(clippy::cast_precision_loss, reason = "a count grows by less than 2^53 in one period")]
    pub(super) fn counted(&self, counts: Vec<(&'static Metric, u64)>) {
        let mut counted = self.counted.lock();
        for (metric, count) in counts {
            let before = counted.insert(metric.name(), count).unwrap_or(0);
            self.metrics.bind_or_log(metric, &[]).record(count.saturating_sub(before) as f64);
        }
    }

    /// Records a call of another server.
    pub(super) fn called(&self, route: &str, started: Instant, error: Option<&Error>) {
        if self.metrics.is_empty() {
            return;
        }
        report(&self.remote_routes.of(route, error), started, error);
    }

    /// Records a client's message that was handled here for its frontend.
    pub(super) fn handled(&self, id: EntryId, started: Instant, error: Option<&Error>) {
        if let Some(served) = self.served.get() {
            report(&served.handlers[id.index()], started, error);
        }
    }

    /// Records a call of a remote of this server.
    pub(super) fn served(&self, id: EntryId, started: Instant, error: Option<&Error>) {
        if let Some(served) = self.served.get() {
            report(&served.remotes[id.index()], started, error);
        }
    }

    /// Counts a message that did not arrive before the answer or call that waited for it.
    #[cold]
    pub(super) fn order_timeout(&self) {
        self.metrics.bind_or_log(&ORDER_TIMEOUTS, &[]).record(1.0);
    }

    /// Counts a message that cannot be decoded.
    #[cold]
    pub(super) fn unreadable(&self, what: &'static str, error: &dyn std::fmt::Display) {
        tracing::debug!(what, %error, "failed to decode a message of another server");
        self.metrics.bind_or_log(&DECODE_ERRORS, &[("kind", what)]).record(1.0);
    }
}

fn report(timings: &RouteTimings, started: Instant, error: Option<&Error>) {
    if timings.is_empty() {
        return;
    }
    timings.ended(started.elapsed(), error);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::error::code;
    use crate::metrics::{DISCOVERY_REGISTRATIONS, InMemoryReporter, TRANSPORT_MOVES, TRANSPORT_RECONNECTS};

    fn cluster_metrics() -> (ClusterMetrics, Arc<InMemoryReporter>) {
        let memory = Arc::new(InMemoryReporter::new());
        let metrics = Metrics::new(&Config::default(), "gate", vec![Arc::clone(&memory) as _]).unwrap();
        (ClusterMetrics::new(&metrics), memory)
    }

    #[test]
    fn total_since_start_adds_only_the_difference() {
        let (metrics, memory) = cluster_metrics();
        let value = |metric: &Metric| memory.value(metric.name(), &[]);
        for (reconnects, moves) in [(2, 0), (2, 0), (5, 1)] {
            metrics.counted(vec![(&TRANSPORT_RECONNECTS, reconnects), (&TRANSPORT_MOVES, moves)]);
            metrics.counted(vec![(&DISCOVERY_REGISTRATIONS, 1)]);
            assert_eq!(value(&TRANSPORT_RECONNECTS), Some(reconnects as f64));
            assert_eq!(value(&TRANSPORT_MOVES), Some(moves as f64), "a count of 0 is reported too");
        }
        assert_eq!(value(&DISCOVERY_REGISTRATIONS), Some(1.0));
    }

    #[test]
    fn unanswered_routes_share_one_label() {
        let (metrics, memory) = cluster_metrics();
        for code in [code::NOT_FOUND, code::UNAVAILABLE, code::TIMEOUT] {
            metrics.called("hall.made.up", Instant::now(), Some(&Error::new(code, "")));
        }
        metrics.called("hall.a.fails", Instant::now(), Some(&Error::new("APP-1", "")));
        metrics.called("hall.a.works", Instant::now(), None);
        metrics.called("hall.a.works", Instant::now(), Some(&Error::new(code::TIMEOUT, "")));
        let times = |route| memory.count("response_time_ns", &[("route", route)]);
        assert_eq!(
            [times("hall.made.up"), times(""), times("hall.a.fails"), times("hall.a.works")],
            [0, 3, 1, 2]
        );
    }
}
