//! The unsent values of one label set.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::super::{Instrument, MetricKind, sums};
use super::Pending;
use super::line::Line;
use super::ring::Ring;

/// One label set of a metric.
pub(super) struct Series {
    line: Line,
    /// The share of values that is sent.
    rate: f64,
    pending: Arc<Pending>,
    cell: Cell,
}

enum Cell {
    /// The sum since the last line, as bits.
    Counter(AtomicU64),
    /// The level as bits, and whether it was set since the last line.
    Gauge(AtomicU64, AtomicBool),
    Observations(Ring),
}

impl Series {
    pub(super) fn new(kind: MetricKind, line: Line, rate: f64, pending: &Arc<Pending>) -> Self {
        let cell = match kind {
            MetricKind::Counter => Cell::Counter(AtomicU64::new(0)),
            MetricKind::Gauge => Cell::Gauge(AtomicU64::new(0), AtomicBool::new(false)),
            MetricKind::Summary | MetricKind::Histogram => Cell::Observations(Ring::new()),
        };
        Self { line, rate, pending: Arc::clone(pending), cell }
    }

    /// Adds the lines of the values since the last call.
    pub(super) fn drain(&self, mut add: impl FnMut(String)) {
        match &self.cell {
            Cell::Counter(sum) => {
                let whole = f64::from_bits(sum.load(Ordering::Relaxed)).floor();
                if whole > 0.0 {
                    // The protocol has whole counts only. The rest waits for more.
                    sums::add(sum, -whole);
                    add(self.line.count(whole));
                }
            }
            Cell::Gauge(level, set) => {
                if set.swap(false, Ordering::Acquire) {
                    add(self.line.shared_gauge(f64::from_bits(level.load(Ordering::Relaxed))));
                }
            }
            Cell::Observations(ring) => {
                let lost = ring.drain(|value| add(self.line.observation(value)));
                self.pending.dropped.fetch_add(lost, Ordering::Relaxed);
            }
        }
    }

    /// Returns how many of `times` values are sent, by chance.
    #[inline]
    fn sampled(&self, times: u64) -> u64 {
        if self.rate >= 1.0 {
            return times;
        }
        (0..times).map(|_| u64::from(fastrand::f64() < self.rate)).sum()
    }
}

impl Instrument for Series {
    #[inline]
    fn record(&self, value: f64) {
        self.record_many(value, 1);
    }

    #[expect(clippy::cast_precision_loss, reason = "a count stays far below 2^53")]
    fn record_many(&self, value: f64, times: u64) {
        if !value.is_finite() {
            return;
        }
        match &self.cell {
            Cell::Counter(sum) => {
                let times = self.sampled(times);
                if value > 0.0 && times > 0 {
                    sums::add(sum, value * times as f64);
                }
            }
            Cell::Gauge(level, set) => {
                level.store(value.to_bits(), Ordering::Relaxed);
                set.store(true, Ordering::Release);
            }
            Cell::Observations(ring) => {
                let times = self.sampled(times);
                if times > 0 && ring.push(value, times) {
                    self.pending.full.notify_one();
                }
            }
        }
    }
}
