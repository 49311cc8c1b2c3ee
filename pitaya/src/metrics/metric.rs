//! The definition of a metric: its name, kind and labels.

use std::borrow::Cow;

use super::{MetricError, MetricKind};
use crate::config::{CustomMetric, is_label_name};

/// The definition of a metric.
///
/// The statics of this module are the metrics of the framework. An application defines its own as statics, or in its
/// configuration.
///
/// ```
/// use pitaya::metrics::Metric;
///
/// static GAMES: Metric = Metric::counter("room", "games_played", "Games that ended").labels(&["mode"]);
/// assert_eq!(GAMES.full_name(), "pitaya_room_games_played");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    subsystem: Cow<'static, str>,
    name: Cow<'static, str>,
    help: Cow<'static, str>,
    kind: MetricKind,
    labels: &'static [&'static str],
    /// The label names of the configuration, used instead of `labels`.
    owned_labels: Vec<String>,
    objectives: Cow<'static, [(f64, f64)]>,
    buckets: Cow<'static, [f64]>,
}

impl Metric {
    const fn new(
        kind: MetricKind,
        subsystem: &'static str,
        name: &'static str,
        help: &'static str,
        objectives: &'static [(f64, f64)],
        buckets: &'static [f64],
    ) -> Self {
        Self {
            subsystem: Cow::Borrowed(subsystem),
            name: Cow::Borrowed(name),
            help: Cow::Borrowed(help),
            kind,
            labels: &[],
            owned_labels: Vec::new(),
            objectives: Cow::Borrowed(objectives),
            buckets: Cow::Borrowed(buckets),
        }
    }

    /// Returns a counter. A unit ends the name (`_ns`, `_bytes`).
    #[must_use]
    pub const fn counter(subsystem: &'static str, name: &'static str, help: &'static str) -> Self {
        Self::new(MetricKind::Counter, subsystem, name, help, &[], &[])
    }

    /// Returns a gauge.
    #[must_use]
    pub const fn gauge(subsystem: &'static str, name: &'static str, help: &'static str) -> Self {
        Self::new(MetricKind::Gauge, subsystem, name, help, &[], &[])
    }

    /// Returns a summary with quantiles (0 to 1), each with its allowed error.
    #[must_use]
    pub const fn summary(
        subsystem: &'static str,
        name: &'static str,
        help: &'static str,
        objectives: &'static [(f64, f64)],
    ) -> Self {
        Self::new(MetricKind::Summary, subsystem, name, help, objectives, &[])
    }

    /// Returns a histogram with the ascending upper bounds of its buckets.
    #[must_use]
    pub const fn histogram(
        subsystem: &'static str,
        name: &'static str,
        help: &'static str,
        buckets: &'static [f64],
    ) -> Self {
        Self::new(MetricKind::Histogram, subsystem, name, help, &[], buckets)
    }

    /// Sets the names of the labels. Every report must set all of them.
    #[must_use]
    pub const fn labels(mut self, labels: &'static [&'static str]) -> Self {
        self.labels = labels;
        self
    }

    /// Returns a metric of the configuration.
    ///
    /// # Errors
    /// A name is invalid.
    pub fn custom(kind: MetricKind, spec: &CustomMetric) -> Result<Self, MetricError> {
        let metric = Self {
            subsystem: Cow::Owned(spec.subsystem.clone()),
            name: Cow::Owned(spec.name.clone()),
            help: Cow::Owned(spec.help.clone()),
            kind,
            labels: &[],
            owned_labels: spec.labels.clone(),
            objectives: Cow::Owned(spec.objectives.clone()),
            buckets: Cow::Owned(spec.buckets.clone()),
        };
        metric.check_names()?;
        Ok(metric)
    }

    pub(super) fn check_names(&self) -> Result<(), MetricError> {
        let subsystem = (!self.subsystem.is_empty()).then_some(self.subsystem());
        let bad = subsystem
            .into_iter()
            .chain([self.name()])
            .chain(self.label_names())
            .find(|name| !is_label_name(name));
        match bad {
            Some(bad) => Err(MetricError::BadName { metric: self.full_name(), name: bad.to_owned() }),
            None => Ok(()),
        }
    }

    /// Returns the bare name, which StatsD uses, and by which custom metrics are recorded.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the part of the program that the metric is about.
    #[must_use]
    pub fn subsystem(&self) -> &str {
        &self.subsystem
    }

    /// Returns `pitaya_<subsystem>_<name>`, which Prometheus uses.
    #[must_use]
    pub fn full_name(&self) -> String {
        if self.subsystem.is_empty() {
            format!("pitaya_{}", self.name)
        } else {
            format!("pitaya_{}_{}", self.subsystem, self.name)
        }
    }

    /// Returns the help text.
    #[must_use]
    pub fn help(&self) -> &str {
        &self.help
    }

    /// Returns the kind.
    #[must_use]
    pub fn kind(&self) -> MetricKind {
        self.kind
    }

    /// Returns the names of its labels.
    pub fn label_names(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().copied().chain(self.owned_labels.iter().map(String::as_str))
    }

    /// Returns the quantiles of a summary, each with its allowed error.
    #[must_use]
    pub fn objectives(&self) -> &[(f64, f64)] {
        &self.objectives
    }

    /// Returns the ascending upper bounds of a histogram.
    #[must_use]
    pub fn buckets(&self) -> &[f64] {
        &self.buckets
    }
}
