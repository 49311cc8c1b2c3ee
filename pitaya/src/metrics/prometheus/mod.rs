//! A reporter from which Prometheus reads.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::series::{MOST_SERIES, Registry};
use super::{Instrument, Metric, MetricError, Reporter, ReporterFuture, SERIES_OVERFLOWS, Scrape};
use crate::config::Config;

mod series;
mod sketch;
#[cfg(test)]
mod tests;
mod text;

use series::Series;
use sketch::{PARTS, Part};
use text::Format;

/// The window of quantiles.
const MAX_AGE: Duration = Duration::from_secs(600);
/// Series that are cleared before other tasks get their turn.
const CLEARED: usize = 64;

/// Keeps metrics for Prometheus, which reads them over HTTP.
///
/// The app makes one if `pitaya.metrics.prometheus.enabled` is set, or `pitaya.http.listen`; programs need it only to
/// set what has no key. Text format 0.0.4 and OpenMetrics 1.0.0 are written, as the scraper's `Accept` header prefers.
///
/// Names, labels and help texts are those of the metrics. Summaries have their quantiles over the last 10 minutes, with
/// an error below 1 % of the value. They cannot be aggregated over servers; [`histograms`](Self::histograms) exports
/// them as histograms, which can.
///
/// A metric keeps up to 10,000 label sets. Further ones are recorded together, with the value `other` for each label.
/// They are counted in [`SERIES_OVERFLOWS`] and logged once.
///
/// Recording through a [`BoundMetric`](super::BoundMetric) takes one or two atomic additions and no lock.
///
/// ```
/// use std::sync::Arc;
/// use pitaya::config::Config;
/// use pitaya::metrics::{Metrics, Prometheus, Reporter, TASKS};
///
/// let prometheus = Arc::new(Prometheus::new());
/// let metrics = Metrics::new(&Config::default(), "room", vec![prometheus.clone()])?;
/// metrics.record(&TASKS, &[], 7.0)?;
///
/// let scrape = prometheus.scrape("").unwrap();
/// assert!(scrape.body.ends_with("\npitaya_sys_goroutines{serverType=\"room\"} 7\n"));
/// # Ok::<(), pitaya::metrics::MetricError>(())
/// ```
pub struct Prometheus {
    registry: Registry<Series>,
    histograms: bool,
    max_age: Duration,
    part: Arc<Part>,
    /// When the current part of the window began.
    rotated: tokio::sync::Mutex<Option<Instant>>,
}

impl Default for Prometheus {
    fn default() -> Self {
        Self::new()
    }
}

impl Prometheus {
    /// Returns an exporter without metrics.
    #[must_use]
    pub fn new() -> Self {
        Self {
            registry: Registry::new(MOST_SERIES),
            histograms: false,
            max_age: MAX_AGE,
            part: Arc::default(),
            rotated: tokio::sync::Mutex::default(),
        }
    }

    /// Returns an exporter as the configuration says: `pitaya.metrics.prometheus.histograms`.
    #[must_use]
    pub fn from_config(config: &Config) -> Self {
        Self::new().histograms(config.metrics.prometheus.histograms)
    }

    /// Exports summaries as histograms, without quantiles.
    #[must_use]
    pub fn histograms(mut self, on: bool) -> Self {
        self.histograms = on;
        self
    }

    /// Sets the window of quantiles, at least 5 ms. The oldest fifth is forgotten at a time.
    #[must_use]
    pub fn max_age(mut self, window: Duration) -> Self {
        self.max_age = window.max(Duration::from_millis(5));
        self
    }

    #[cfg(test)]
    fn limit(mut self, series: usize) -> Self {
        self.registry = Registry::new(series);
        self
    }

    /// Begins a new part of the window if it is time. Returns how long it is until the next one.
    async fn rotate(&self) -> Duration {
        let length = self.max_age / u32::try_from(PARTS).unwrap_or(1);
        let mut rotated = self.rotated.lock().await;
        let now = Instant::now();
        let began = *rotated.get_or_insert(now);
        let passed = now.saturating_duration_since(began);
        if passed < length {
            return length - passed;
        }
        let next = self.part.next();
        for family in self.registry.families() {
            for some in family.series().chunks(CLEARED) {
                some.iter().for_each(|series| series.clear(next));
                tokio::task::yield_now().await;
            }
        }
        self.part.set(next);
        *rotated = Some(now);
        length
    }
}

impl Reporter for Prometheus {
    fn instrument(
        &self,
        metric: &Metric,
        labels: &[(&str, &str)],
    ) -> Result<Arc<dyn Instrument>, MetricError> {
        let make = |labels: &[(&str, &str)]| Series::new(metric, labels, self.histograms, &self.part);
        let found = self.registry.series(metric, labels, make)?;
        if found.is_other {
            let make = |labels: &[(&str, &str)]| Series::new(&SERIES_OVERFLOWS, labels, false, &self.part);
            let labels = [("metric", &*metric.full_name())];
            self.registry.series(&SERIES_OVERFLOWS, &labels, make)?.series.record(1.0);
        }
        Ok(found.series)
    }

    fn scrape(&self, accept: &str) -> Option<Scrape> {
        let format = Format::preferred(accept);
        let body = text::write(&self.registry.families(), format, self.histograms);
        Some(Scrape { content_type: format.content_type(), body })
    }

    /// Lets the window of the quantiles slide. Several apps that share the exporter may run it at the same time.
    fn run(&self) -> ReporterFuture<'_> {
        Box::pin(async move {
            loop {
                let pause = self.rotate().await;
                tokio::time::sleep(pause).await;
            }
        })
    }
}

impl fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prometheus")
            .field("histograms", &self.histograms)
            .field("max_age", &self.max_age)
            .finish_non_exhaustive()
    }
}
