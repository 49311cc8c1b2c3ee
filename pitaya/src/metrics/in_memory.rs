//! A reporter that keeps everything in memory.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::series::{Family, MOST_SERIES, Registry};
use super::sums::Sums;
use super::{Instrument, Metric, MetricError, MetricKind, Reporter};

/// Keeps the count, sum, level and buckets of every label set, for tests and consoles.
///
/// Summaries have no quantiles here, because single values are not kept. A metric keeps up to 10,000 label sets. Further
/// ones are recorded together, with the value `other` for each label, which is logged once.
///
/// A query names a metric, by its bare or its full name, and some labels. The answer covers all label sets that have
/// these labels.
///
/// ```
/// use std::sync::Arc;
/// use pitaya::config::Config;
/// use pitaya::metrics::{EXCEEDED_RATE_LIMITING, InMemoryReporter, Metrics};
///
/// let memory = Arc::new(InMemoryReporter::new());
/// let metrics = Metrics::new(&Config::default(), "room", vec![memory.clone()])?;
/// metrics.record(&EXCEEDED_RATE_LIMITING, &[], 2.0)?;
/// assert_eq!(memory.value(EXCEEDED_RATE_LIMITING.name(), &[]), Some(2.0));
/// # Ok::<(), pitaya::metrics::MetricError>(())
/// ```
pub struct InMemoryReporter {
    registry: Registry<Series>,
}

/// The values of one label set of a metric.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The metric's full name.
    pub name: String,
    /// The metric's kind.
    pub kind: MetricKind,
    /// Every label with its value.
    pub labels: Vec<(String, String)>,
    /// The total of a counter, the level of a gauge, the sum of the others.
    pub value: f64,
    /// The number of values.
    pub count: u64,
    /// The sum of the values.
    pub sum: f64,
    /// For each bound of a histogram, the number of values up to it. Values above the last bound are in none.
    pub buckets: Vec<(f64, u64)>,
}

impl InMemoryReporter {
    /// Returns a reporter without values.
    #[must_use]
    pub fn new() -> Self {
        Self { registry: Registry::new(MOST_SERIES) }
    }

    /// Returns the sum of a counter or a gauge over the matching label sets; `None` without a match.
    #[must_use]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.matching(name, labels).map(|sample| sample.value).reduce(|a, b| a + b)
    }

    /// Returns the number of values of the matching label sets.
    #[must_use]
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.matching(name, labels).map(|sample| sample.count).sum()
    }

    /// Returns the sum of the values of the matching label sets.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).map(|sample| sample.sum).sum()
    }

    /// Returns all label sets, sorted by name and labels.
    #[must_use]
    pub fn all(&self) -> Vec<Sample> {
        self.samples(|_| true)
    }

    fn matching(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = Sample> {
        let has = |sample: &Sample, label: &(&str, &str)| {
            sample.labels.iter().any(|(name, value)| (&**name, &**value) == *label)
        };
        let mut samples = self.samples(|metric| metric.name() == name || metric.full_name() == name);
        samples.retain(|sample| labels.iter().all(|label| has(sample, label)));
        samples.into_iter()
    }

    fn samples(&self, wanted: impl Fn(&Metric) -> bool) -> Vec<Sample> {
        let read = |family: &Arc<Family<Series>>| {
            let series = family.series();
            let mut samples: Vec<_> = series.iter().map(|series| series.sample(&family.metric)).collect();
            samples.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
            samples
        };
        let families = self.registry.families();
        families.iter().filter(|family| wanted(&family.metric)).flat_map(read).collect()
    }
}

impl Default for InMemoryReporter {
    fn default() -> Self {
        Self::new()
    }
}

impl Reporter for InMemoryReporter {
    fn instrument(
        &self,
        metric: &Metric,
        labels: &[(&str, &str)],
    ) -> Result<Arc<dyn Instrument>, MetricError> {
        Ok(self.registry.series(metric, labels, |labels| Series::new(metric, labels))?.series)
    }
}

impl fmt::Debug for InMemoryReporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryReporter").finish_non_exhaustive()
    }
}

/// One label set.
struct Series {
    labels: Vec<(String, String)>,
    kind: MetricKind,
    /// The last value of a gauge, as bits.
    last: AtomicU64,
    sums: Sums,
    buckets: Box<[(f64, AtomicU64)]>,
}

impl Series {
    fn new(metric: &Metric, labels: &[(&str, &str)]) -> Self {
        Self {
            labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            kind: metric.kind(),
            last: AtomicU64::new(0),
            sums: if metric.kind() == MetricKind::Gauge { Sums::single() } else { Sums::sharded() },
            buckets: metric.buckets().iter().map(|bound| (*bound, AtomicU64::new(0))).collect(),
        }
    }

    fn sample(&self, metric: &Metric) -> Sample {
        let (count, sum) = (self.sums.count(), self.sums.sum());
        let mut below = 0;
        let buckets = self.buckets.iter().map(|(bound, count)| {
            below += count.load(Ordering::Relaxed);
            (*bound, below)
        });
        Sample {
            name: metric.full_name(),
            kind: self.kind,
            labels: self.labels.clone(),
            value: if self.kind == MetricKind::Gauge {
                f64::from_bits(self.last.load(Ordering::Relaxed))
            } else {
                sum
            },
            count,
            sum,
            buckets: buckets.collect(),
        }
    }
}

impl Instrument for Series {
    fn record(&self, value: f64) {
        self.record_many(value, 1);
    }

    #[expect(clippy::cast_precision_loss, reason = "a count stays far below 2^53")]
    fn record_many(&self, value: f64, times: u64) {
        if self.kind == MetricKind::Gauge {
            self.last.store(value.to_bits(), Ordering::Relaxed);
        } else if value.is_nan() || self.kind == MetricKind::Counter && value <= 0.0 {
            return;
        }
        self.sums.add(value * times as f64, times);
        if !self.buckets.is_empty() {
            let at = self.buckets.partition_point(|(bound, _)| *bound < value);
            if let Some((_, count)) = self.buckets.get(at) {
                count.fetch_add(times, Ordering::Relaxed);
            }
        }
    }
}
