//! Metrics that are bound to one label set, for code that records often.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use smallvec::SmallVec;

use super::Instrument;

/// A metric with one label set, at every reporter. Without a reporter it is empty, and recording does nothing.
#[derive(Clone, Default)]
pub struct BoundMetric {
    targets: SmallVec<[Arc<dyn Instrument>; 1]>,
}

impl BoundMetric {
    pub(super) fn new(targets: SmallVec<[Arc<dyn Instrument>; 1]>) -> Self {
        Self { targets }
    }

    /// Returns whether no reporter takes the values, so that they need not be measured.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Records one value: an amount of a counter, a level of a gauge, an observation of the others.
    #[inline]
    pub fn record(&self, value: f64) {
        for target in &self.targets {
            target.record(value);
        }
    }

    /// Records one value `times` times.
    #[inline]
    pub fn record_many(&self, value: f64, times: u64) {
        for target in &self.targets {
            target.record_many(value, times);
        }
    }

    /// Records a time, in nanoseconds.
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

/// Returns a time in nanoseconds, exact up to 104 days.
#[inline]
#[expect(clippy::cast_precision_loss, reason = "a measured time needs no more than 53 bits")]
pub(super) fn nanos(time: Duration) -> f64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX) as f64
}

/// A gauge that many places raise and lower, such as the depth of all queues of a kind. Clones share the level.
///
/// [`Metrics::sample`](super::Metrics::sample) reports it.
///
/// ```
/// use pitaya::metrics::{Metrics, OUTBOX_MESSAGES, SharedGauge};
///
/// let waiting: SharedGauge = Metrics::default().shared_gauge(&OUTBOX_MESSAGES, &[])?;
/// waiting.add(3);
/// waiting.sub(1);
/// assert_eq!(waiting.get(), 2);
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

    /// Returns the level.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.value.load(Ordering::Relaxed)
    }
}

fn signed(amount: usize) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}
