//! The traits that an exporter of metrics implements.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::{Metric, MetricError};

/// The future of a [`Reporter`]'s work.
pub type ReporterFuture<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// All metrics of a reporter as a text, for `GET /metrics`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scrape {
    /// The value of the header `Content-Type`.
    pub content_type: &'static str,
    /// The text.
    pub body: String,
}

/// Exports metrics.
///
/// ```
/// use std::sync::Arc;
/// use pitaya::metrics::{Instrument, Metric, MetricError, Reporter};
///
/// struct Print;
///
/// impl Reporter for Print {
///     fn instrument(&self, metric: &Metric, labels: &[(&str, &str)]) -> Result<Arc<dyn Instrument>, MetricError> {
///         let name = format!("{} {labels:?}", metric.full_name());
///         Ok(Arc::new(move |value| println!("{name} {value}")))
///     }
/// }
/// ```
pub trait Reporter: Send + Sync + 'static {
    /// Returns the instrument of a metric with one label set.
    ///
    /// `labels` are complete, always in one order for one metric: the metric's own, the additional ones of the
    /// configuration, then the constant ones (`game`, `serverType`, …). The framework calls it once for each label set
    /// that it records often, and for every value of the others. Recording runs for every message: it should take some
    /// ten nanoseconds, without a lock.
    ///
    /// # Errors
    /// The metric or the label set cannot be reported.
    fn instrument(
        &self,
        metric: &Metric,
        labels: &[(&str, &str)],
    ) -> Result<Arc<dyn Instrument>, MetricError>;

    /// Returns all metrics as a text, in the format that the scraper's `Accept` header prefers.
    ///
    /// `None`, the default, is for a reporter that is not read over HTTP. The HTTP server of the app calls it outside
    /// of the runtime's worker threads. The start of an app calls it once, with an empty header, on a worker thread.
    fn scrape(&self, _accept: &str) -> Option<Scrape> {
        None
    }

    /// Runs the reporter's own work, such as sending.
    ///
    /// The app runs it from its start until it has stopped, then drops the future. Each app runs a reporter that several
    /// apps share.
    fn run(&self) -> ReporterFuture<'_> {
        Box::pin(async {})
    }

    /// Sends the values that were not sent yet. The app calls it once, after it has stopped, within
    /// `pitaya.stop.timeout`.
    fn flush(&self) -> ReporterFuture<'_> {
        Box::pin(async {})
    }
}

/// A reporter that several owners share.
impl<R: Reporter + ?Sized> Reporter for Arc<R> {
    fn instrument(
        &self,
        metric: &Metric,
        labels: &[(&str, &str)],
    ) -> Result<Arc<dyn Instrument>, MetricError> {
        (**self).instrument(metric, labels)
    }

    fn scrape(&self, accept: &str) -> Option<Scrape> {
        (**self).scrape(accept)
    }

    fn run(&self) -> ReporterFuture<'_> {
        (**self).run()
    }

    fn flush(&self) -> ReporterFuture<'_> {
        (**self).flush()
    }
}

/// Records the values of one metric with one label set. A closure that takes the value is an instrument.
pub trait Instrument: Send + Sync + 'static {
    /// Records one value: an amount of a counter, a level of a gauge, an observation of the others. A counter ignores
    /// a value that is not a positive number.
    fn record(&self, value: f64);

    /// Records one value `times` times, for messages of one read that were answered together.
    fn record_many(&self, value: f64, times: u64) {
        for _ in 0..times {
            self.record(value);
        }
    }
}

impl<F: Fn(f64) + Send + Sync + 'static> Instrument for F {
    fn record(&self, value: f64) {
        self(value);
    }
}
