//! The kinds of metrics.

use std::fmt;

/// The kind of a metric, which decides how its values are combined.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// A sum that only grows. A value is an amount to add.
    Counter,
    /// A level. A value replaces the level.
    Gauge,
    /// Observations with quantiles. A value is one observation.
    Summary,
    /// Observations that are counted by size. A value is one observation.
    Histogram,
}

impl fmt::Display for MetricKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Summary => "summary",
            Self::Histogram => "histogram",
        })
    }
}
