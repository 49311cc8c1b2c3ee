//! The label sets that a reporter keeps of each metric, up to a limit.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use foldhash::fast::RandomState;

use super::{Metric, MetricError};
use crate::util::sync::RwLock;
use crate::util::throttle::{GLOBAL, throttled};

/// The label sets that a reporter keeps of one metric. Further ones share the series [`OTHER`].
pub(super) const MOST_SERIES: usize = 10_000;
/// The value of every label of the shared series that differs between the series of its metric.
pub(super) const OTHER: &str = "other";

type Values = Box<[Box<str>]>;

/// The metrics of a reporter, by their full names. It keeps an `S` for each label set.
pub(super) struct Registry<S> {
    limit: usize,
    families: RwLock<BTreeMap<String, Arc<Family<S>>>>,
}

/// One metric.
pub(super) struct Family<S> {
    pub(super) metric: Metric,
    /// The names of all labels, in the order in which values come.
    labels: Box<[Box<str>]>,
    series: RwLock<HashMap<Values, Arc<S>, RandomState>>,
    other: OnceLock<Arc<S>>,
    overflowed: AtomicBool,
}

/// The result of [`Registry::series`].
pub(super) struct Found<S> {
    pub(super) series: Arc<S>,
    /// Whether it is the series `other`.
    #[cfg_attr(
        not(feature = "prometheus"),
        allow(dead_code, reason = "only the exporter for Prometheus counts them")
    )]
    pub(super) is_other: bool,
}

impl<S> Registry<S> {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, families: RwLock::default() }
    }

    /// Returns the series of a label set. `make` makes it from the labels when it is new.
    ///
    /// The first label set beyond the limit is logged.
    ///
    /// # Errors
    /// Another definition has the metric's name.
    pub(super) fn series(
        &self,
        metric: &Metric,
        labels: &[(&str, &str)],
        make: impl FnOnce(&[(&str, &str)]) -> S,
    ) -> Result<Found<S>, MetricError> {
        let family = self.family(metric, labels)?;
        let key: Values = labels.iter().map(|(_, value)| Box::from(*value)).collect();
        if let Some(series) = family.series.read().get(&key) {
            return Ok(Found { series: Arc::clone(series), is_other: false });
        }
        let mut series = family.series.write();
        if let Some(series) = series.get(&key) {
            return Ok(Found { series: Arc::clone(series), is_other: false });
        }
        if series.len() < self.limit {
            let made = Arc::new(make(labels));
            series.insert(key, Arc::clone(&made));
            return Ok(Found { series: made, is_other: false });
        }
        let other = family.other.get_or_init(|| {
            let common = common(metric, labels, &series);
            Arc::new(make(&common))
        });
        if !family.overflowed.swap(true, Ordering::Relaxed) {
            throttled!(
                GLOBAL,
                warn,
                "overflowing metrics",
                metric = metric.full_name(),
                limit = self.limit,
                "too many label sets: further ones are recorded as `other`; is an unbounded value used as a label?"
            );
        }
        Ok(Found { series: Arc::clone(other), is_other: true })
    }

    fn family(&self, metric: &Metric, labels: &[(&str, &str)]) -> Result<Arc<Family<S>>, MetricError> {
        let name = metric.full_name();
        let known = self.families.read().get(&name).cloned();
        let family = known.unwrap_or_else(|| {
            let mut families = self.families.write();
            Arc::clone(families.entry(name.clone()).or_insert_with(|| {
                Arc::new(Family {
                    metric: metric.clone(),
                    labels: labels.iter().map(|(name, _)| Box::from(*name)).collect(),
                    series: RwLock::default(),
                    other: OnceLock::new(),
                    overflowed: AtomicBool::new(false),
                })
            }))
        });
        let same = family.metric.kind() == metric.kind()
            && family.metric.buckets() == metric.buckets()
            && family.labels.iter().map(|name| &**name).eq(labels.iter().map(|(name, _)| *name));
        if same {
            return Ok(family);
        }
        let other = format!("another {}, or one with other labels", family.metric.kind());
        Err(MetricError::Redefined { name, other })
    }

    /// Returns all metrics, by name.
    pub(super) fn families(&self) -> Vec<Arc<Family<S>>> {
        self.families.read().values().cloned().collect()
    }
}

impl<S> Family<S> {
    /// Returns all series, in no order. The lock is held only while the references are cloned.
    pub(super) fn series(&self) -> Vec<Arc<S>> {
        let series = self.series.read();
        series.values().chain(self.other.get()).cloned().collect()
    }
}

/// Returns the labels of the series `other`. A label that is set for all metrics keeps a value that all series share.
fn common<'a, S>(
    metric: &Metric,
    labels: &[(&'a str, &'a str)],
    series: &HashMap<Values, Arc<S>, RandomState>,
) -> Vec<(&'a str, &'a str)> {
    let own = metric.label_names().count();
    let is_constant = |at: usize, value: &str| {
        at >= own && series.keys().all(|values| values.get(at).is_some_and(|other| **other == *value))
    };
    let with_value = |(at, (name, value)): (usize, &(&'a str, &'a str))| {
        (*name, if is_constant(at, value) { *value } else { OTHER })
    };
    labels.iter().enumerate().map(with_value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    static HITS: Metric = Metric::counter("test", "hits", "Hits").labels(&["user"]);

    fn labelled(labels: &[(&str, &str)]) -> String {
        labels.iter().map(|(name, value)| format!("{name}={value} ")).collect()
    }

    #[test]
    fn series_beyond_the_limit_share_one() {
        let registry = Registry::new(2);
        let find = |user: &str, build: &str| {
            let labels = [("user", user), ("build", build), ("game", "chess")];
            registry.series(&HITS, &labels, labelled).unwrap()
        };
        assert_eq!(*find("a", "1").series, "user=a build=1 game=chess ");
        assert!(!find("b", "2").is_other);
        assert!(!find("a", "1").is_other, "known series stay");
        for user in ["c", "d", "e"] {
            let found = find(user, "1");
            assert_eq!(*found.series, "user=other build=other game=chess ");
            assert!(found.is_other);
        }
        assert_eq!(registry.families()[0].series().len(), 3);
    }

    #[test]
    fn one_name_has_one_definition() {
        let registry = Registry::new(2);
        registry.series(&HITS, &[("user", "a")], labelled).unwrap();
        let gauge = Metric::gauge("test", "hits", "Hits").labels(&["user"]);
        let error = registry.series(&gauge, &[("user", "a")], labelled).err().unwrap();
        assert!(matches!(error, MetricError::Redefined { .. }), "{error}");
        let error = registry.series(&HITS, &[("user", "a"), ("more", "b")], labelled).err().unwrap();
        assert!(matches!(error, MetricError::Redefined { .. }), "{error}");
    }
}
