//! What connections report.

use std::time::Instant as Clock;

use tokio::time::Instant;

use crate::component::{EntryId, Tables};
use crate::error::Error;
use crate::metrics::{
    CONCURRENT_CALLS, CONCURRENT_WAIT, CONNECTED_CLIENTS, EXCEEDED_RATE_LIMITING, Handle, Level, Metrics,
    PENDING_DROPPED, PENDING_MESSAGES, RouteTimings,
};

/// The instruments of all connections of an app.
#[derive(Debug)]
pub(crate) struct Meters {
    routes: Vec<RouteTimings>,
    /// What clients send has no bound: all routes that do not exist share one.
    unknown: RouteTimings,
    silent: bool,
    connected: Handle,
    limited: Handle,
    dropped: Handle,
    pending: Level,
    concurrent: Level,
    concurrent_wait: Handle,
}

impl Meters {
    pub(crate) fn new(metrics: &Metrics, tables: &Tables) -> Self {
        let level = |metric| metrics.level(metric, &[]).unwrap_or_default();
        Self {
            routes: tables
                .handlers
                .entries()
                .iter()
                .map(|e| RouteTimings::local(metrics, e.route()))
                .collect(),
            unknown: RouteTimings::local(metrics, ""),
            silent: metrics.is_empty(),
            connected: metrics.handle(&CONNECTED_CLIENTS, &[]),
            limited: metrics.handle(&EXCEEDED_RATE_LIMITING, &[]),
            dropped: metrics.handle(&PENDING_DROPPED, &[]),
            pending: level(&PENDING_MESSAGES),
            concurrent: level(&CONCURRENT_CALLS),
            concurrent_wait: metrics.handle(&CONCURRENT_WAIT, &[]),
        }
    }

    /// A handler starts for a message that arrived at `arrived`; `waited` if it was in the queue.
    #[inline]
    pub(crate) fn started(&self, entry: EntryId, arrived: Instant, waited: bool) {
        if !self.silent {
            // What was not queued did not wait: one look at the clock less for most messages.
            let time = if waited { arrived.elapsed() } else { std::time::Duration::ZERO };
            self.routes[entry.index()].delayed(time);
        }
    }

    /// A call has ended.
    #[inline]
    pub(crate) fn finished(&self, entry: Option<EntryId>, arrived: Instant, error: Option<&Error>) {
        if self.silent {
            return;
        }
        let timings = entry.map_or(&self.unknown, |entry| &self.routes[entry.index()]);
        let time = Clock::now().saturating_duration_since(arrived.into_std());
        match error {
            None => timings.succeeded(time),
            Some(error) => timings.failed(error.code(), time),
        }
    }

    pub(crate) fn rate_limited(&self) {
        self.limited.record(1.0);
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

    pub(crate) fn beside_started(&self, arrived: Instant) {
        self.concurrent.add(1);
        self.concurrent_wait.record_time(arrived.elapsed());
    }

    pub(crate) fn beside_ended(&self) {
        self.concurrent.sub(1);
    }
}
