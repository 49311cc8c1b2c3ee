//! The values of one label set.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::sums::Sums;
use super::super::{Instrument, Metric, MetricKind};
use super::sketch::{Counts, Part, Sketch};

/// The bounds of a histogram without bounds, and of a summary that is exported as a histogram.
const BOUNDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// The bounds for a summary of times, whose name ends with `_ns`: 100 µs to 60 s.
const TIMES: &[f64] =
    &[1e5, 2.5e5, 5e5, 1e6, 2.5e6, 5e6, 1e7, 2.5e7, 5e7, 1e8, 2.5e8, 5e8, 1e9, 2.5e9, 5e9, 1e10, 3e10, 6e10];
/// The level of a gauge that was never set. No level has these bits, because `NaN` is stored in another form.
const UNSET: u64 = u64::MAX;

/// One label set of a metric.
pub(super) struct Series {
    /// The values of the labels, sorted by the names of the labels.
    pub(super) values: Vec<String>,
    /// The labels as they are written, sorted, without braces.
    pub(super) labels: String,
    cell: Cell,
}

enum Cell {
    Counter(Sums),
    Gauge(AtomicU64),
    Summary { sums: Sums, sketch: Box<Sketch>, part: Arc<Part> },
    Histogram { sums: Sums, bounds: Arc<[f64]>, counts: Box<[AtomicU64]> },
}

/// The values of a series at one moment.
pub(super) enum Reading {
    Value(f64),
    Summary { counts: Counts, sum: f64 },
    Histogram { buckets: Vec<(f64, u64)>, count: u64, sum: f64 },
}

/// Returns the kind as which a metric is exported.
pub(super) fn kind(metric: &Metric, histograms: bool) -> MetricKind {
    match metric.kind() {
        MetricKind::Summary if histograms => MetricKind::Histogram,
        kind => kind,
    }
}

impl Series {
    pub(super) fn new(metric: &Metric, labels: &[(&str, &str)], histograms: bool, part: &Arc<Part>) -> Self {
        let mut labels = labels.to_vec();
        labels.sort_unstable();
        let written: Vec<_> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", super::text::escaped(value)))
            .collect();
        let cell = match kind(metric, histograms) {
            MetricKind::Counter => Cell::Counter(Sums::sharded()),
            MetricKind::Gauge => Cell::Gauge(AtomicU64::new(UNSET)),
            MetricKind::Summary => Cell::Summary {
                sums: Sums::sharded(),
                sketch: Box::new(Sketch::new()),
                part: Arc::clone(part),
            },
            MetricKind::Histogram => {
                let bounds: Arc<[f64]> = bounds(metric).into();
                let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
                Cell::Histogram { sums: Sums::sharded(), bounds, counts }
            }
        };
        Self {
            values: labels.iter().map(|(_, value)| (*value).to_owned()).collect(),
            labels: written.join(","),
            cell,
        }
    }

    /// Returns the values of the series; `None` without a value. A counter begins with 0.
    pub(super) fn read(&self) -> Option<Reading> {
        match &self.cell {
            Cell::Counter(sums) => Some(Reading::Value(sums.sum())),
            Cell::Gauge(level) => {
                let bits = level.load(Ordering::Relaxed);
                (bits != UNSET).then(|| Reading::Value(f64::from_bits(bits)))
            }
            Cell::Summary { sums, sketch, .. } => {
                let counts = sketch.counts();
                (counts.ever > 0).then(|| Reading::Summary { counts, sum: sums.sum() })
            }
            Cell::Histogram { sums, bounds, counts } => {
                let mut count = 0;
                let mut buckets = Vec::with_capacity(counts.len());
                let bounds = bounds.iter().copied().chain([f64::INFINITY]);
                for (bound, in_bucket) in bounds.zip(counts) {
                    count += in_bucket.load(Ordering::Relaxed);
                    buckets.push((bound, count));
                }
                (count > 0).then(|| Reading::Histogram { buckets, count, sum: sums.sum() })
            }
        }
    }

    /// Clears one part of the window of a summary.
    pub(super) fn clear(&self, part: usize) {
        if let Cell::Summary { sketch, .. } = &self.cell {
            sketch.clear(part);
        }
    }
}

fn bounds(metric: &Metric) -> &[f64] {
    match metric.buckets() {
        [] if metric.name().ends_with("_ns") => TIMES,
        [] => BOUNDS,
        own => own,
    }
}

impl Instrument for Series {
    #[inline]
    fn record(&self, value: f64) {
        self.record_many(value, 1);
    }

    #[expect(clippy::cast_precision_loss, reason = "a count stays far below 2^53")]
    fn record_many(&self, value: f64, times: u64) {
        if let Cell::Gauge(level) = &self.cell {
            let bits = if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
            return level.store(bits, Ordering::Relaxed);
        }
        if !value.is_finite() {
            return;
        }
        let sum = value * times as f64;
        match &self.cell {
            Cell::Counter(sums) if value > 0.0 => sums.add_uncounted(sum),
            Cell::Counter(_) | Cell::Gauge(_) => {}
            Cell::Summary { sums, sketch, part } => {
                sketch.add(part, value, times);
                sums.add_uncounted(sum);
            }
            Cell::Histogram { sums, bounds, counts } => {
                let at = bounds.partition_point(|bound| *bound < value);
                if let Some(count) = counts.get(at) {
                    count.fetch_add(times, Ordering::Relaxed);
                }
                sums.add_uncounted(sum);
            }
        }
    }
}
