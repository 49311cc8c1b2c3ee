//! What an exporter of metrics implements.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::{Metric, MetricKind};

/// What a [`Reporter`] waits for.
pub type ReporterFuture<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// All metrics of a reporter as a text, for `GET /metrics`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scrape {
    /// The value of the header `Content-Type`.
    pub content_type: &'static str,
    /// The text.
    pub body: String,
}

/// Takes metrics to where people look at them.
///
/// The framework calls [`instrument`](Self::instrument) once for each metric and label set it uses often, and
/// [`report`](Self::report) for the rest. `labels` are complete, in one order for one metric: the metric's own, the
/// additional ones of the configuration, then the constant ones (`game`, `serverType`, …).
///
/// ```
/// use pitaya::metrics::{Metric, MetricError, Reporter};
///
/// struct Print;
///
/// impl Reporter for Print {
///     fn report(&self, metric: &Metric, labels: &[(&str, &str)], value: f64) -> Result<(), MetricError> {
///         println!("{} {labels:?} {value}", metric.full_name());
///         Ok(())
///     }
/// }
/// ```
pub trait Reporter: Send + Sync + 'static {
    /// Takes one value: an amount for a counter, a level for a gauge, an observation for the others.
    ///
    /// # Errors
    /// The value cannot be taken; it is lost.
    fn report(&self, metric: &Metric, labels: &[(&str, &str)], value: f64) -> Result<(), MetricError>;

    /// A handle for one metric and label set, for places that run for every message: recording with it should
    /// take some ten nanoseconds, without a lock. None, which is the default, makes the framework call `report`
    /// each time.
    ///
    /// # Errors
    /// The metric and the label set cannot be reported at all.
    fn instrument(
        &self,
        _metric: &Metric,
        _labels: &[(&str, &str)],
    ) -> Result<Option<Arc<dyn Instrument>>, MetricError> {
        Ok(None)
    }

    /// Returns all metrics as a text, in the format that the scraper's `Accept` header prefers. `None`, which is the
    /// default, if the reporter is not read this way. The HTTP server of the app calls it outside of the runtime's
    /// worker threads. The start of an app calls it once, with an empty header, on a worker thread.
    fn scrape(&self, _accept: &str) -> Option<Scrape> {
        None
    }

    /// The reporter's own work, such as sending. The app runs it from its start until it has stopped, and then drops it.
    /// A reporter that several apps share is run by each of them.
    fn run(&self) -> ReporterFuture<'_> {
        Box::pin(async {})
    }

    /// Sends what is still to be sent. The app calls it once, after it has stopped, within `pitaya.stop.timeout`.
    fn flush(&self) -> ReporterFuture<'_> {
        Box::pin(async {})
    }
}

/// One metric with one label set, ready to take values.
pub trait Instrument: Send + Sync + 'static {
    /// Takes one value. A counter ignores what is not a positive number.
    fn record(&self, value: f64);

    /// Takes one value `times` times: what the answers to all messages of one read have in common is recorded at
    /// once.
    fn record_many(&self, value: f64, times: u64) {
        for _ in 0..times {
            self.record(value);
        }
    }
}

/// Why a metric cannot be reported.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetricError {
    /// No metric of that name was defined.
    #[error("metric not known: {name}")]
    NotKnown {
        /// The name asked for.
        name: String,
    },
    /// The metric is of another kind.
    #[error("{metric} is a {actual}, not a {asked}")]
    WrongKind {
        /// The metric's full name.
        metric: String,
        /// What it is.
        actual: MetricKind,
        /// What it was used as.
        asked: MetricKind,
    },
    /// The labels given are not the metric's.
    #[error("{metric} has the labels [{expected}], not [{given}]")]
    WrongLabels {
        /// The metric's full name.
        metric: String,
        /// Its labels.
        expected: String,
        /// Those that were given.
        given: String,
    },
    /// A value that the kind of metric cannot take.
    #[error("{metric} cannot take {value}")]
    BadValue {
        /// The metric's full name.
        metric: String,
        /// The value.
        value: String,
    },
    /// A name that is not made of letters, digits and `_`, or that begins with a digit.
    #[error("{metric}: {name:?} must be made of letters, digits and `_`, and not begin with a digit")]
    BadName {
        /// The metric's full name.
        metric: String,
        /// The name that is wrong.
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
    /// More label sets than a reporter keeps. Something with no bound, such as a user id, is used as a label.
    #[error("{metric} has too many label sets; the limit is {limit}")]
    TooManySeries {
        /// The metric's full name.
        metric: String,
        /// How many a reporter keeps.
        limit: usize,
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
