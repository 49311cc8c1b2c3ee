//! Handles: what the places that are measured hold.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use smallvec::SmallVec;

use super::{Instrument, Metric, Reporter};
use crate::util::throttle::{GLOBAL, throttled};

/// One metric with one label set at every reporter. Without a reporter it is empty, and recording does nothing.
#[derive(Clone, Default)]
pub struct BoundMetric {
    targets: SmallVec<[Arc<dyn Instrument>; 1]>,
}

impl BoundMetric {
    pub(super) fn new(targets: SmallVec<[Arc<dyn Instrument>; 1]>) -> Self {
        Self { targets }
    }

    /// Whether nobody takes the values, so that they need not be measured.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Takes one value: an amount for a counter, a level for a gauge, an observation for the others.
    #[inline]
    pub fn record(&self, value: f64) {
        for target in &self.targets {
            target.record(value);
        }
    }

    /// Takes one value `times` times.
    #[inline]
    pub fn record_many(&self, value: f64, times: u64) {
        for target in &self.targets {
            target.record_many(value, times);
        }
    }

    /// Takes a time, in nanoseconds.
    #[inline]
    pub fn record_time(&self, time: Duration) {
        if !self.is_empty() {
            self.record(nanos(time));
        }
    }
}

impl fmt::Debug for BoundMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundMetric").field("reporters", &self.targets.len()).finish()
    }
}

/// A time in nanoseconds. It is exact up to 104 days.
#[inline]
#[expect(clippy::cast_precision_loss, reason = "a measured time needs no more than 53 bits")]
pub(super) fn nanos(time: Duration) -> f64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX) as f64
}

/// For reporters without instruments of their own.
pub(super) struct Reported {
    pub reporter: Arc<dyn Reporter>,
    pub metric: Metric,
    pub labels: Vec<(String, String)>,
}

impl Instrument for Reported {
    fn record(&self, value: f64) {
        let labels: SmallVec<[(&str, &str); 8]> =
            self.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if let Err(error) = self.reporter.report(&self.metric, &labels, value) {
            throttled!(GLOBAL, warn, "failed metric reports", %error, "a metric was not reported");
        }
    }
}

/// A gauge that many places raise and lower, such as the depth of all queues of a kind. It is reported with each
/// [`Metrics::sample`](super::Metrics::sample). Clones share the level.
///
/// ```
/// use pitaya::metrics::{SharedGauge, Metrics, OUTBOX_MESSAGES};
///
/// let level = Metrics::default().shared_gauge(&OUTBOX_MESSAGES, &[])?;
/// level.add(3);
/// level.sub(1);
/// assert_eq!(level.get(), 2);
/// # Ok::<(), pitaya::metrics::MetricError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct SharedGauge {
    value: Arc<AtomicI64>,
}

impl SharedGauge {
    /// Raises the level.
    #[inline]
    pub fn add(&self, amount: usize) {
        self.value.fetch_add(signed(amount), Ordering::Relaxed);
    }

    /// Lowers the level.
    #[inline]
    pub fn sub(&self, amount: usize) {
        self.value.fetch_sub(signed(amount), Ordering::Relaxed);
    }

    /// The level now.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.value.load(Ordering::Relaxed)
    }
}

fn signed(amount: usize) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}
