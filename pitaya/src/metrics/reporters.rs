//! The hub: everything that reports holds a clone of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use super::bound::{BoundMetric, Reported, SharedGauge};
use super::{
    ALL, CONNECTED_CLIENTS, Instrument, Metric, MetricError, MetricKind, Reporter, TASKS, labels::LabelSet,
};
use crate::config::Config;
use crate::util::sync::{Mutex, RwLock};
use crate::util::throttle::{GLOBAL, throttled};

/// The reporters of an app, and the labels that all its metrics have. Clones are cheap and share everything.
///
/// ```
/// use std::sync::Arc;
/// use pitaya::config::Config;
/// use pitaya::metrics::{InMemoryReporter, Metric, Metrics};
///
/// static GAMES: Metric = Metric::counter("room", "games_played", "Games that ended").labels(&["mode"]);
///
/// let memory = Arc::new(InMemoryReporter::new());
/// let metrics = Metrics::new(&Config::default(), "room", vec![memory.clone()])?;
/// metrics.count(&GAMES, &[("mode", "duel")], 1.0)?;
/// assert_eq!(memory.value("games_played", &[("serverType", "room")]), Some(1.0));
/// # Ok::<(), pitaya::metrics::MetricError>(())
/// ```
#[derive(Clone, Default)]
pub struct Metrics {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    reporters: Vec<Arc<dyn Reporter>>,
    labels: LabelSet,
    /// Metrics by their bare name, which have been defined at run time.
    custom: RwLock<BTreeMap<String, Arc<Metric>>>,
    levels: Mutex<Vec<(SharedGauge, BoundMetric)>>,
}

impl Metrics {
    /// The hub of an app: reporters, the labels that the configuration asks for with `serverType`, and the custom
    /// metrics it defines.
    ///
    /// # Errors
    /// A custom metric has a bad name or that of another metric, or a label is configured twice.
    pub fn new(
        config: &Config,
        server_type: &str,
        reporters: Vec<Arc<dyn Reporter>>,
    ) -> Result<Self, MetricError> {
        let labels = LabelSet::new(config, server_type);
        for metric in ALL {
            labels.check(metric)?;
        }
        let metrics = Self { inner: Arc::new(Inner { reporters, labels, ..Inner::default() }) };
        for (kind, specs) in [
            (MetricKind::Counter, &config.metrics_custom_counters),
            (MetricKind::Gauge, &config.metrics_custom_gauges),
            (MetricKind::Summary, &config.metrics_custom_summaries),
            (MetricKind::Histogram, &config.metrics_custom_histograms),
        ] {
            for spec in specs {
                metrics.define(Metric::custom(kind, spec)?)?;
            }
        }
        Ok(metrics)
    }

    /// Whether there is no reporter, so that nothing needs to be measured.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.inner.reporters.is_empty()
    }

    /// Adds a metric that is reported by its bare name, as those of the configuration are.
    ///
    /// # Errors
    /// Its name is not made of letters, digits and `_`, or is taken; or a label of its own is set for all metrics.
    pub fn define(&self, metric: Metric) -> Result<(), MetricError> {
        metric.check_names()?;
        self.inner.labels.check(&metric)?;
        let mut custom = self.inner.custom.write();
        let builtin = ALL.into_iter().find(|other| other.name() == metric.name());
        if let Some(other) = custom.get(metric.name()).map(|other| &**other).or(builtin) {
            return Err(MetricError::Redefined { name: metric.name().to_owned(), other: other.full_name() });
        }
        custom.insert(metric.name().to_owned(), Arc::new(metric));
        Ok(())
    }

    /// The metric that configuration or [`define`](Self::define) knows by this bare name.
    ///
    /// # Errors
    /// There is none: `metric not known`.
    pub fn custom(&self, name: &str) -> Result<Arc<Metric>, MetricError> {
        let custom = self.inner.custom.read();
        custom.get(name).cloned().ok_or_else(|| MetricError::NotKnown { name: name.to_owned() })
    }

    /// Adds to a counter.
    ///
    /// # Errors
    /// The metric is no counter, the labels are not its own, the amount is negative, or a reporter refuses.
    pub fn count(&self, metric: &Metric, labels: &[(&str, &str)], amount: f64) -> Result<(), MetricError> {
        self.report(MetricKind::Counter, metric, labels, amount)
    }

    /// Sets a gauge.
    ///
    /// # Errors
    /// The metric is no gauge, the labels are not its own, or a reporter refuses.
    pub fn gauge(&self, metric: &Metric, labels: &[(&str, &str)], level: f64) -> Result<(), MetricError> {
        self.report(MetricKind::Gauge, metric, labels, level)
    }

    /// Gives a summary one observation.
    ///
    /// # Errors
    /// The metric is no summary, the labels are not its own, or a reporter refuses.
    pub fn summary(&self, metric: &Metric, labels: &[(&str, &str)], value: f64) -> Result<(), MetricError> {
        self.report(MetricKind::Summary, metric, labels, value)
    }

    /// Gives a histogram one observation.
    ///
    /// # Errors
    /// The metric is no histogram, the labels are not its own, or a reporter refuses.
    pub fn histogram(&self, metric: &Metric, labels: &[(&str, &str)], value: f64) -> Result<(), MetricError> {
        self.report(MetricKind::Histogram, metric, labels, value)
    }

    /// Adds to a counter by its bare name.
    ///
    /// # Errors
    /// As [`custom`](Self::custom) and [`count`](Self::count).
    pub fn custom_counter(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        amount: f64,
    ) -> Result<(), MetricError> {
        self.count(&*self.custom(name)?, labels, amount)
    }

    /// Sets a gauge by its bare name.
    ///
    /// # Errors
    /// As [`custom`](Self::custom) and [`gauge`](Self::gauge).
    pub fn custom_gauge(&self, name: &str, labels: &[(&str, &str)], level: f64) -> Result<(), MetricError> {
        self.gauge(&*self.custom(name)?, labels, level)
    }

    /// Gives a summary one observation, by its bare name.
    ///
    /// # Errors
    /// As [`custom`](Self::custom) and [`summary`](Self::summary).
    pub fn custom_summary(&self, name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), MetricError> {
        self.summary(&*self.custom(name)?, labels, value)
    }

    /// Gives a histogram one observation, by its bare name.
    ///
    /// # Errors
    /// As [`custom`](Self::custom) and [`histogram`](Self::histogram).
    pub fn custom_histogram(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        value: f64,
    ) -> Result<(), MetricError> {
        self.histogram(&*self.custom(name)?, labels, value)
    }

    /// A handle for one label set, for places that report often: what can be wrong is found here, once, and
    /// recording is a few atomic operations a reporter.
    ///
    /// # Errors
    /// The labels are not the metric's own, or a reporter refuses.
    pub fn bind(&self, metric: &Metric, labels: &[(&str, &str)]) -> Result<BoundMetric, MetricError> {
        match self.instruments(metric, labels) {
            (handle, None) => Ok(handle),
            (_, Some(error)) => Err(error),
        }
    }

    /// As [`bind`](Self::bind), for places that cannot return an error. An error is logged, and the handle
    /// records at the reporters that did not refuse.
    #[must_use]
    pub fn bind_or_log(&self, metric: &Metric, labels: &[(&str, &str)]) -> BoundMetric {
        let (handle, error) = self.instruments(metric, labels);
        if let Some(error) = error {
            throttled!(GLOBAL, warn, "refused metrics", %error, "a metric will not be reported");
        }
        handle
    }

    /// The instruments of all reporters that do not refuse, and the first error.
    fn instruments(&self, metric: &Metric, labels: &[(&str, &str)]) -> (BoundMetric, Option<MetricError>) {
        let labels = match self.inner.labels.complete(metric, labels) {
            Ok(labels) => labels,
            Err(error) => return (BoundMetric::default(), Some(error)),
        };
        let mut targets: SmallVec<[Arc<dyn Instrument>; 1]> = SmallVec::new();
        let mut first = None;
        for reporter in &self.inner.reporters {
            match reporter.instrument(metric, &labels) {
                Ok(Some(instrument)) => targets.push(instrument),
                Ok(None) => targets.push(Arc::new(Reported {
                    reporter: Arc::clone(reporter),
                    metric: metric.clone(),
                    labels: labels
                        .iter()
                        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                        .collect(),
                })),
                Err(error) => first = first.or(Some(error)),
            }
        }
        (BoundMetric::new(targets), first)
    }

    /// The reporters.
    pub(crate) fn reporters(&self) -> &[Arc<dyn Reporter>] {
        &self.inner.reporters
    }

    /// A gauge that many places raise and lower. [`sample`](Self::sample) reports it. Ask once for each label set
    /// and share it: two levels of one gauge would overwrite each other.
    ///
    /// # Errors
    /// The metric is no gauge, the labels are not its own, or a reporter refuses.
    pub fn shared_gauge(&self, metric: &Metric, labels: &[(&str, &str)]) -> Result<SharedGauge, MetricError> {
        is_kind(metric, MetricKind::Gauge)?;
        let handle = self.bind(metric, labels)?;
        let level = SharedGauge::default();
        if !handle.is_empty() {
            let mut levels = self.inner.levels.lock();
            levels.push((level.clone(), handle));
        }
        Ok(level)
    }

    /// Reports what has no event of its own: live tasks, connected clients, and every [`SharedGauge`]. The app does so
    /// every `pitaya.metrics.period`.
    #[expect(clippy::cast_precision_loss, reason = "counts of live things are far below 2^53")]
    pub fn sample(&self, tasks: usize, clients: usize) {
        if self.is_empty() {
            return;
        }
        self.bind_or_log(&TASKS, &[]).record(tasks as f64);
        self.bind_or_log(&CONNECTED_CLIENTS, &[]).record(clients as f64);
        let levels = self.inner.levels.lock().clone();
        for (level, handle) in levels {
            handle.record(level.get() as f64);
        }
    }

    fn report(
        &self,
        kind: MetricKind,
        metric: &Metric,
        labels: &[(&str, &str)],
        value: f64,
    ) -> Result<(), MetricError> {
        is_kind(metric, kind)?;
        let labels = self.inner.labels.complete(metric, labels)?;
        if value.is_nan() || kind == MetricKind::Counter && value < 0.0 {
            return Err(MetricError::BadValue { metric: metric.full_name(), value: value.to_string() });
        }
        // One reporter that refuses must not keep the value from the others.
        let mut result = Ok(());
        for reporter in &self.inner.reporters {
            result = result.and(reporter.report(metric, &labels, value));
        }
        result
    }
}

fn is_kind(metric: &Metric, asked: MetricKind) -> Result<(), MetricError> {
    if metric.kind() == asked {
        return Ok(());
    }
    Err(MetricError::WrongKind { metric: metric.full_name(), actual: metric.kind(), asked })
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("reporters", &self.inner.reporters.len()).finish_non_exhaustive()
    }
}
