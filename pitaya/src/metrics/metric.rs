//! What a metric is: a name, a kind, its labels.

use std::borrow::Cow;
use std::fmt;

use super::MetricError;
use crate::config::{CustomMetric, is_label_name};

/// How the values of a metric add up.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// A sum that only grows; a value is what is added.
    Counter,
    /// A level; a value replaces the one before.
    Gauge,
    /// Observations of which quantiles are wanted; a value is one of them.
    Summary,
    /// Observations that are counted by size; a value is one of them.
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

/// The definition of a metric. Those of the framework are the statics of this room; an application defines its
/// own the same way, or in its configuration.
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
    /// Label names that are not known when the program is built. Used instead of `labels`.
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

    /// A counter. The unit, if it is not a number of things, ends the name (`_ns`, `_bytes`).
    #[must_use]
    pub const fn counter(subsystem: &'static str, name: &'static str, help: &'static str) -> Self {
        Self::new(MetricKind::Counter, subsystem, name, help, &[], &[])
    }

    /// A gauge.
    #[must_use]
    pub const fn gauge(subsystem: &'static str, name: &'static str, help: &'static str) -> Self {
        Self::new(MetricKind::Gauge, subsystem, name, help, &[], &[])
    }

    /// A summary, with the quantiles wanted (0 to 1), each with the error allowed.
    #[must_use]
    pub const fn summary(
        subsystem: &'static str,
        name: &'static str,
        help: &'static str,
        objectives: &'static [(f64, f64)],
    ) -> Self {
        Self::new(MetricKind::Summary, subsystem, name, help, objectives, &[])
    }

    /// A histogram, with the upper bounds of its buckets, rising.
    #[must_use]
    pub const fn histogram(
        subsystem: &'static str,
        name: &'static str,
        help: &'static str,
        buckets: &'static [f64],
    ) -> Self {
        Self::new(MetricKind::Histogram, subsystem, name, help, &[], buckets)
    }

    /// The names of its labels; every report gives each of them a value.
    #[must_use]
    pub const fn labels(mut self, labels: &'static [&'static str]) -> Self {
        self.labels = labels;
        self
    }

    /// A metric as configuration defines it.
    ///
    /// # Errors
    /// A name that is not made of letters, digits and `_`.
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

    /// The name alone, by which custom metrics are reported and which statsd uses.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The part of the program it belongs to.
    #[must_use]
    pub fn subsystem(&self) -> &str {
        &self.subsystem
    }

    /// `pitaya_<subsystem>_<name>`, which Prometheus uses.
    #[must_use]
    pub fn full_name(&self) -> String {
        if self.subsystem.is_empty() {
            format!("pitaya_{}", self.name)
        } else {
            format!("pitaya_{}_{}", self.subsystem, self.name)
        }
    }

    /// What it says, for people.
    #[must_use]
    pub fn help(&self) -> &str {
        &self.help
    }

    /// How its values add up.
    #[must_use]
    pub fn kind(&self) -> MetricKind {
        self.kind
    }

    /// The names of its own labels.
    pub fn label_names(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().copied().chain(self.owned_labels.iter().map(String::as_str))
    }

    /// Of a summary: the quantiles wanted, each with the error allowed.
    #[must_use]
    pub fn objectives(&self) -> &[(f64, f64)] {
        &self.objectives
    }

    /// Of a histogram: the upper bounds, rising.
    #[must_use]
    pub fn buckets(&self) -> &[f64] {
        &self.buckets
    }
}
