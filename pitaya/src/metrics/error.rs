//! The reasons why a metric cannot be reported.

use super::MetricKind;

/// The reason why a metric cannot be reported.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetricError {
    /// No metric of that name is defined.
    #[error("metric not known: {name}")]
    NotKnown {
        /// The name.
        name: String,
    },
    /// The metric is of another kind.
    #[error("{metric} is a {actual}, not a {asked}")]
    WrongKind {
        /// The metric's full name.
        metric: String,
        /// Its kind.
        actual: MetricKind,
        /// The kind that it was used as.
        asked: MetricKind,
    },
    /// The labels given are not the metric's.
    #[error("{metric} has the labels [{expected}], not [{given}]")]
    WrongLabels {
        /// The metric's full name.
        metric: String,
        /// Its labels.
        expected: String,
        /// The labels that were given.
        given: String,
    },
    /// The value is invalid for the kind of metric.
    #[error("{value} is invalid for {metric}")]
    BadValue {
        /// The metric's full name.
        metric: String,
        /// The value.
        value: String,
    },
    /// A name must consist of letters, digits and `_`, and must not begin with a digit.
    #[error("{metric}: {name:?} must consist of letters, digits and `_`, and not begin with a digit")]
    BadName {
        /// The metric's full name.
        metric: String,
        /// The invalid name.
        name: String,
    },
    /// A second definition of a name.
    #[error("{name} is already the name of {other}")]
    Redefined {
        /// The name.
        name: String,
        /// The full name of the metric that has it.
        other: String,
    },
    /// A label of the configuration is also a label of the metric, or is configured twice.
    #[error("the label {label} of {metric} is also set for all metrics")]
    LabelTaken {
        /// The metric's full name.
        metric: String,
        /// The label.
        label: String,
    },
    /// The reporter's own reason.
    #[error("{metric}: {why}")]
    Reporter {
        /// The metric's full name.
        metric: String,
        /// The reason.
        why: String,
    },
}
