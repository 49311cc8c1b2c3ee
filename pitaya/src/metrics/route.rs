//! The two times that are measured of every handled message.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::bound::nanos;
use super::{BoundMetric, HANDLER_DELAY, Metrics, RESPONSE_TIME};
use crate::error::Error;
use crate::util::sync::RwLock;

/// The most codes of one route with series of their own. Further ones are reported as [`OTHER_CODES`].
const MOST_CODES: usize = 64;
const OTHER_CODES: &str = "other";

/// The instruments of one route.
///
/// Make them only for routes that exist. Clients may send any number of unknown routes, which must share one
/// (`RouteTimings::local(metrics, "")`).
pub struct RouteTimings {
    metrics: Metrics,
    route: Arc<str>,
    kind: &'static str,
    ok: BoundMetric,
    delay: BoundMetric,
    failed: RwLock<Vec<(Box<str>, BoundMetric)>>,
}

impl RouteTimings {
    /// Returns the instruments of a handler of this server.
    #[must_use]
    pub fn local(metrics: &Metrics, route: &str) -> Self {
        Self::new(metrics, route, "handler", "local")
    }

    /// Returns the instruments of a route of another server: of forwarded messages, or of calls of this server.
    #[must_use]
    pub fn called(metrics: &Metrics, route: &str) -> Self {
        Self::new(metrics, route, "rpc", "remote")
    }

    /// Returns the instruments of a remote of this server.
    #[must_use]
    pub fn served(metrics: &Metrics, route: &str) -> Self {
        Self::new(metrics, route, "remote", "remote")
    }

    fn new(metrics: &Metrics, route: &str, kind: &'static str, place: &str) -> Self {
        Self {
            metrics: metrics.clone(),
            route: route.into(),
            kind,
            ok: response(metrics, route, kind, "ok", ""),
            delay: metrics.bind_or_log(&HANDLER_DELAY, &[("route", route), ("type", place)]),
            failed: RwLock::default(),
        }
    }

    /// Returns whether no reporter takes the times, so that the clock need not be read.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.ok.is_empty()
    }

    /// Records how long a message waited for its handler.
    #[inline]
    pub fn delayed(&self, time: Duration) {
        self.delay.record_time(time);
    }

    /// Records the time from the arrival of a message to its answer.
    #[inline]
    pub fn succeeded(&self, time: Duration) {
        self.ok.record_time(time);
    }

    /// Records the time from the arrival to the answer of messages that did not wait and were answered together.
    #[inline]
    pub fn succeeded_together(&self, time: Duration, messages: u64) {
        if !self.is_empty() {
            self.delay.record_many(0.0, messages);
            self.ok.record_many(nanos(time), messages);
        }
    }

    /// Records the time from the arrival of a message to its error with this code.
    pub fn failed(&self, code: &str, time: Duration) {
        if self.is_empty() {
            return;
        }
        let known = self.failed.read();
        if let Some((_, handle)) = known.iter().find(|(other, _)| **other == *code) {
            return handle.record_time(time);
        }
        drop(known);
        self.first_of_code(code).record_time(time);
    }

    /// Records the time from the arrival of a message to its answer or error.
    #[inline]
    pub(crate) fn ended(&self, time: Duration, error: Option<&Error>) {
        match error {
            None => self.succeeded(time),
            Some(error) => self.failed(error.code(), time),
        }
    }

    #[cold]
    fn first_of_code(&self, code: &str) -> BoundMetric {
        let mut known = self.failed.write();
        let code = if known.len() < MOST_CODES { code } else { OTHER_CODES };
        if let Some((_, handle)) = known.iter().find(|(other, _)| **other == *code) {
            return handle.clone();
        }
        let handle = response(&self.metrics, &self.route, self.kind, "failed", code);
        known.push((code.into(), handle.clone()));
        handle
    }
}

fn response(metrics: &Metrics, route: &str, kind: &str, status: &str, code: &str) -> BoundMetric {
    let labels = [("route", route), ("status", status), ("type", kind), ("code", code)];
    metrics.bind_or_log(&RESPONSE_TIME, &labels)
}

impl fmt::Debug for RouteTimings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteTimings").field("route", &self.route).finish_non_exhaustive()
    }
}
