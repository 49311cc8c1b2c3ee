//! The labels of all metrics of an app, and the check of a report's labels.

use smallvec::SmallVec;

use super::{Metric, MetricError};
use crate::config::Config;

/// Borrowed labels, in the order of their metric. Most label sets fit without an allocation.
pub(super) type Labels<'a> = SmallVec<[(&'a str, &'a str); 8]>;

#[derive(Default)]
pub(super) struct LabelSet {
    /// Labels that a report may set, with their default values.
    additional: Vec<(String, String)>,
    constant: Vec<(String, String)>,
}

impl LabelSet {
    /// Returns `game` and `serverType`, unless they are empty, with the labels of the configuration.
    ///
    /// A constant label of the configuration named `game` or `serverType` overrides them.
    pub(super) fn new(config: &Config, server_type: &str) -> Self {
        let configured = &config.metrics.const_labels;
        let own = [("game", config.metrics.game.as_str()), ("serverType", server_type)];
        let own =
            own.into_iter().filter(|(name, value)| !value.is_empty() && !configured.contains_key(*name));
        let configured = configured.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Self {
            additional: config.metrics.additional_labels.clone().into_iter().collect(),
            constant: own
                .chain(configured)
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    /// Fails for a metric that would have a label twice.
    pub(super) fn check(&self, metric: &Metric) -> Result<(), MetricError> {
        let mut names: Vec<&str> =
            self.additional.iter().chain(&self.constant).map(|(name, _)| name.as_str()).collect();
        names.extend(metric.label_names());
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => {
                Err(MetricError::LabelTaken { metric: metric.full_name(), label: pair[0].to_owned() })
            }
            None => Ok(()),
        }
    }

    /// Returns all labels of a report: the metric's own in its order, the additional and the constant ones.
    pub(super) fn complete<'a>(
        &'a self,
        metric: &'a Metric,
        given: &[(&'a str, &'a str)],
    ) -> Result<Labels<'a>, MetricError> {
        let find = |name: &str| given.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
        let wrong = || MetricError::WrongLabels {
            metric: metric.full_name(),
            expected: metric.label_names().collect::<Vec<_>>().join(", "),
            given: given.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
        };
        let mut labels = Labels::new();
        let mut used = 0;
        for name in metric.label_names() {
            labels.push((name, find(name).ok_or_else(wrong)?));
            used += 1;
        }
        for (name, default) in &self.additional {
            let set = find(name);
            used += usize::from(set.is_some());
            labels.push((name, set.unwrap_or(default)));
        }
        // If all are used and none is left over, none was given twice.
        if used != given.len() {
            return Err(wrong());
        }
        labels.extend(self.constant.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        Ok(labels)
    }
}
