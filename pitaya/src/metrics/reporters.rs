//! The reporters of an app. Every part of the framework that reports holds a clone.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use super::bound::{BoundMetric, SharedGauge};
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
/// metrics.record(&GAMES, &[("mode", "duel")], 1.0)?;
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
    /// The metrics that were defined at run time, by their bare names.
    custom: RwLock<BTreeMap<String, Arc<Metric>>>,
    gauges: Mutex<Vec<(SharedGauge, BoundMetric)>>,
}

/// A metric: its definition, or the bare name of one that the configuration or [`Metrics::define`] defined.
#[derive(Debug, Clone, Copy)]
pub enum MetricRef<'a> {
    /// A definition.
    Definition(&'a Metric),
    /// A bare name, such as `games_played`.
    Name(&'a str),
}

impl<'a> From<&'a Metric> for MetricRef<'a> {
    fn from(metric: &'a Metric) -> Self {
        Self::Definition(metric)
    }
}

impl<'a> From<&'a str> for MetricRef<'a> {
    fn from(name: &'a str) -> Self {
        Self::Name(name)
    }
}

impl Metrics {
    /// Returns the metrics of an app that report to `reporters`, with the labels and custom metrics of the configuration.
    ///
    /// # Errors
    /// A custom metric has an invalid name or that of another metric, or a label is configured twice.
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
            (MetricKind::Counter, &config.metrics.custom.counters),
            (MetricKind::Gauge, &config.metrics.custom.gauges),
            (MetricKind::Summary, &config.metrics.custom.summaries),
            (MetricKind::Histogram, &config.metrics.custom.histograms),
        ] {
            for spec in specs {
                metrics.define(Metric::custom(kind, spec)?)?;
            }
        }
        Ok(metrics)
    }

    /// Returns whether there is no reporter, so that nothing needs to be measured.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.inner.reporters.is_empty()
    }

    /// Defines a metric that can be recorded by its bare name, as those of the configuration can.
    ///
    /// # Errors
    /// The name is invalid or taken, or a label of the metric is set for all metrics.
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

    /// Records one value at every reporter: an amount of a counter, a level of a gauge, an observation of the others.
    ///
    /// Code that runs for every message uses [`bind`](Self::bind) instead.
    ///
    /// # Errors
    /// The metric is not defined, the labels are not its own, a counter's amount is negative, or a reporter fails. The
    /// other reporters get the value.
    pub fn record<'m>(
        &self,
        metric: impl Into<MetricRef<'m>>,
        labels: &[(&str, &str)],
        value: f64,
    ) -> Result<(), MetricError> {
        self.with(metric.into(), |metric| {
            if value.is_nan() || metric.kind() == MetricKind::Counter && value < 0.0 {
                return Err(MetricError::BadValue { metric: metric.full_name(), value: value.to_string() });
            }
            let (bound, error) = self.instruments(metric, labels);
            bound.record(value);
            error.map_or(Ok(()), Err)
        })
    }

    /// Returns a metric with one label set, for code that records often.
    ///
    /// Mistakes are found here, once. Recording then takes a few atomic operations per reporter.
    ///
    /// # Errors
    /// The metric is not defined, the labels are not its own, or a reporter fails.
    pub fn bind<'m>(
        &self,
        metric: impl Into<MetricRef<'m>>,
        labels: &[(&str, &str)],
    ) -> Result<BoundMetric, MetricError> {
        self.with(metric.into(), |metric| match self.instruments(metric, labels) {
            (bound, None) => Ok(bound),
            (_, Some(error)) => Err(error),
        })
    }

    /// [`bind`](Self::bind) for code that cannot return an error.
    ///
    /// An error is logged, and the result records at the reporters that did not fail.
    #[must_use]
    pub fn bind_or_log(&self, metric: &Metric, labels: &[(&str, &str)]) -> BoundMetric {
        let (bound, error) = self.instruments(metric, labels);
        if let Some(error) = error {
            throttled!(GLOBAL, warn, "refused metrics", %error, "a metric will not be reported");
        }
        bound
    }

    /// Returns a gauge that many places raise and lower. [`sample`](Self::sample) reports it.
    ///
    /// Call it once for each label set and share the result: two of one label set would overwrite each other.
    ///
    /// # Errors
    /// The metric is not a gauge, the labels are not its own, or a reporter fails.
    pub fn shared_gauge(&self, metric: &Metric, labels: &[(&str, &str)]) -> Result<SharedGauge, MetricError> {
        if metric.kind() != MetricKind::Gauge {
            return Err(MetricError::WrongKind {
                metric: metric.full_name(),
                actual: metric.kind(),
                asked: MetricKind::Gauge,
            });
        }
        let bound = self.bind(metric, labels)?;
        let gauge = SharedGauge::default();
        if !bound.is_empty() {
            let mut gauges = self.inner.gauges.lock();
            gauges.push((gauge.clone(), bound));
        }
        Ok(gauge)
    }

    /// Reports live tasks, connected clients, and every [`SharedGauge`]. The app does so every `pitaya.metrics.period`.
    #[expect(clippy::cast_precision_loss, reason = "counts of live things are far below 2^53")]
    pub fn sample(&self, tasks: usize, clients: usize) {
        if self.is_empty() {
            return;
        }
        self.bind_or_log(&TASKS, &[]).record(tasks as f64);
        self.bind_or_log(&CONNECTED_CLIENTS, &[]).record(clients as f64);
        let gauges = self.inner.gauges.lock().clone();
        for (gauge, bound) in gauges {
            bound.record(gauge.get() as f64);
        }
    }

    pub(crate) fn reporters(&self) -> &[Arc<dyn Reporter>] {
        &self.inner.reporters
    }

    /// Calls `run` with the definition of a metric.
    fn with<T>(
        &self,
        metric: MetricRef<'_>,
        run: impl FnOnce(&Metric) -> Result<T, MetricError>,
    ) -> Result<T, MetricError> {
        match metric {
            MetricRef::Definition(metric) => run(metric),
            MetricRef::Name(name) => {
                let custom = self.inner.custom.read();
                let metric = custom.get(name).cloned();
                drop(custom);
                run(&*metric.ok_or_else(|| MetricError::NotKnown { name: name.to_owned() })?)
            }
        }
    }

    /// Returns the instruments of all reporters that do not fail, and the first error.
    fn instruments(&self, metric: &Metric, labels: &[(&str, &str)]) -> (BoundMetric, Option<MetricError>) {
        let labels = match self.inner.labels.complete(metric, labels) {
            Ok(labels) => labels,
            Err(error) => return (BoundMetric::default(), Some(error)),
        };
        let mut targets: SmallVec<[Arc<dyn Instrument>; 1]> = SmallVec::new();
        let mut first = None;
        for reporter in &self.inner.reporters {
            match reporter.instrument(metric, &labels) {
                Ok(instrument) => targets.push(instrument),
                Err(error) => first = first.or(Some(error)),
            }
        }
        (BoundMetric::new(targets), first)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("reporters", &self.inner.reporters.len()).finish_non_exhaustive()
    }
}
