//! A reporter that keeps everything in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::sums::Sums;
use super::{Instrument, Metric, MetricError, MetricKind, Reporter};
use crate::util::sync::RwLock;

/// Label sets that are kept, of all metrics together.
const MOST_SERIES: usize = 10_000;

/// Keeps counts, sums, levels and buckets of every label set; tests and consoles read them. It does not keep
/// single values, so summaries have no quantiles here.
///
/// Recording through an instrument is two atomic additions on a cache line that the threads of a small machine
/// do not share.
///
/// A question names a metric (by its bare or its full name) and some labels; the answer is about all label sets
/// that have them.
///
/// ```
/// use pitaya::metrics::{EXCEEDED_RATE_LIMITING, InMemoryReporter, Reporter};
///
/// let memory = InMemoryReporter::new();
/// memory.report(&EXCEEDED_RATE_LIMITING, &[("serverType", "room")], 2.0)?;
/// assert_eq!(memory.value(EXCEEDED_RATE_LIMITING.name(), &[]), Some(2.0));
/// # Ok::<(), pitaya::metrics::MetricError>(())
/// ```
#[derive(Default)]
pub struct InMemoryReporter {
    series: RwLock<BTreeMap<String, Family>>,
    kept: AtomicUsize,
}

/// One metric with its label sets.
struct Family {
    metric: Metric,
    cells: BTreeMap<Vec<(String, String)>, Arc<Series>>,
}

/// What is known of one label set of a metric.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The metric's full name.
    pub name: String,
    /// The metric's kind.
    pub kind: MetricKind,
    /// Every label with its value.
    pub labels: Vec<(String, String)>,
    /// Of a counter the total, of a gauge the level, of the others the last value.
    pub value: f64,
    /// How many values were taken.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// Of a histogram: how many values were at most each of its bounds. The rest are above the last.
    pub buckets: Vec<(f64, u64)>,
}

impl InMemoryReporter {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The total of a counter or the level of a gauge, added up over the label sets that match; none if there is
    /// none.
    #[must_use]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.matching(name, labels).map(|sample| sample.value).reduce(|a, b| a + b)
    }

    /// How many values the label sets that match took.
    #[must_use]
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.matching(name, labels).map(|sample| sample.count).sum()
    }

    /// The sum of all values that the label sets that match took.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).map(|sample| sample.sum).sum()
    }

    /// Everything, by name and labels.
    #[must_use]
    pub fn all(&self) -> Vec<Sample> {
        let families = self.series.read();
        let samples = |family: &Family| -> Vec<Sample> {
            family
                .cells
                .iter()
                .map(|(labels, series)| series.sample(&family.metric, labels.clone()))
                .collect()
        };
        families.values().flat_map(samples).collect()
    }

    fn matching(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = Sample> {
        let families = self.series.read();
        let mut found = Vec::new();
        for (_, family) in
            families.iter().filter(|(full, family)| *full == name || family.metric.name() == name)
        {
            for (own, series) in &family.cells {
                let has = |(name, value): &(&str, &str)| own.iter().any(|(n, v)| n == name && v == value);
                if labels.iter().all(has) {
                    found.push(series.sample(&family.metric, own.clone()));
                }
            }
        }
        found.into_iter()
    }

    fn series(&self, metric: &Metric, labels: &[(&str, &str)]) -> Result<Arc<Series>, MetricError> {
        let name = metric.full_name();
        let key: Vec<(String, String)> =
            labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let families = self.series.read();
        if let Some(family) = families.get(&name) {
            family.check(metric)?;
            if let Some(series) = family.cells.get(&key) {
                return Ok(Arc::clone(series));
            }
        }
        drop(families);
        let mut families = self.series.write();
        let family =
            families.entry(name).or_insert_with(|| Family { metric: metric.clone(), cells: BTreeMap::new() });
        family.check(metric)?;
        if let Some(series) = family.cells.get(&key) {
            return Ok(Arc::clone(series));
        }
        if self.kept.fetch_add(1, Ordering::Relaxed) >= MOST_SERIES {
            self.kept.fetch_sub(1, Ordering::Relaxed);
            return Err(MetricError::TooManySeries { metric: metric.full_name(), limit: MOST_SERIES });
        }
        let series = Arc::new(Series::new(metric));
        family.cells.insert(key, Arc::clone(&series));
        Ok(series)
    }
}

impl Family {
    /// Two definitions under one name would mix their values.
    fn check(&self, metric: &Metric) -> Result<(), MetricError> {
        let same = self.metric.kind() == metric.kind()
            && self.metric.label_names().eq(metric.label_names())
            && self.metric.buckets() == metric.buckets();
        if same {
            return Ok(());
        }
        Err(MetricError::Redefined {
            name: metric.full_name(),
            other: format!("another {}", self.metric.kind()),
        })
    }
}

impl Reporter for InMemoryReporter {
    fn report(&self, metric: &Metric, labels: &[(&str, &str)], value: f64) -> Result<(), MetricError> {
        self.series(metric, labels)?.record(value);
        Ok(())
    }

    fn instrument(
        &self,
        metric: &Metric,
        labels: &[(&str, &str)],
    ) -> Result<Option<Arc<dyn Instrument>>, MetricError> {
        Ok(Some(self.series(metric, labels)?))
    }
}

impl fmt::Debug for InMemoryReporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryReporter").field("series", &self.kept).finish_non_exhaustive()
    }
}

/// One label set.
struct Series {
    kind: MetricKind,
    /// The last value of a gauge, as bits.
    last: AtomicU64,
    sums: Sums,
    buckets: Box<[(f64, AtomicU64)]>,
}

impl Series {
    fn new(metric: &Metric) -> Self {
        Self {
            kind: metric.kind(),
            last: AtomicU64::new(0),
            sums: if metric.kind() == MetricKind::Gauge { Sums::single() } else { Sums::sharded() },
            buckets: metric.buckets().iter().map(|bound| (*bound, AtomicU64::new(0))).collect(),
        }
    }

    fn sample(&self, metric: &Metric, labels: Vec<(String, String)>) -> Sample {
        let (count, sum) = (self.sums.count(), self.sums.sum());
        let mut below = 0;
        let buckets = self.buckets.iter().map(|(bound, count)| {
            below += count.load(Ordering::Relaxed);
            (*bound, below)
        });
        Sample {
            name: metric.full_name(),
            kind: self.kind,
            labels,
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

    #[expect(clippy::cast_precision_loss, reason = "nothing happens 2^53 times at once")]
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
