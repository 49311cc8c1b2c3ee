//! Custom metrics, as configuration defines them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::value_type::{Raw, ValueType, is_label_name, quoted};

/// A metric that the application reports itself, defined under `pitaya.metrics.custom.…`.
///
/// ```
/// # use pitaya::config::Config;
/// let config = Config::parse(
///     r#"
///     [[pitaya.metrics.custom.counters]]
///     subsystem = "room"
///     name = "games_played"
///     help = "Games that ended"
///     labels = ["mode"]
///     "#,
/// )?;
/// assert_eq!(config.metrics.custom.counters[0].name, "games_played");
/// # Ok::<(), pitaya::config::ConfigError>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CustomMetric {
    /// The part of the game it belongs to; the full name is `pitaya_<subsystem>_<name>`.
    pub subsystem: String,
    /// The name by which the application reports it.
    pub name: String,
    /// The description of what it counts or measures.
    pub help: String,
    /// The names of its labels, each of which every report must give.
    pub labels: Vec<String>,
    /// Of a summary: quantiles between 0 and 1, each with the error allowed.
    pub objectives: Vec<(f64, f64)>,
    /// Of a histogram: the upper bounds, rising.
    pub buckets: Vec<f64>,
}

/// The shape in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    #[serde(default)]
    subsystem: String,
    name: String,
    #[serde(default)]
    help: String,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    objectives: BTreeMap<String, f64>,
    #[serde(default)]
    buckets: Vec<f64>,
}

/// Definitions of custom metrics: an array of tables, from a file only.
pub(super) struct Specs;

impl ValueType for Specs {
    type Value = Vec<CustomMetric>;
    const NAME: &'static str = "list of tables";

    fn parse(raw: Raw<'_>) -> Result<Self::Value, String> {
        match raw {
            Raw::Toml(toml::Value::Array(specs)) => specs.iter().map(parse).collect(),
            Raw::Toml(_) => Err("must be a list of tables".into()),
            Raw::Text(_) => Err("cannot come from the environment, only from a file or from code".into()),
        }
    }

    fn show(value: &Self::Value) -> String {
        format!("[{}]", value.iter().map(show).collect::<Vec<_>>().join(", "))
    }

    fn check(value: &Self::Value) -> Result<(), &'static str> {
        value.iter().try_for_each(check)
    }
}

fn parse(value: &toml::Value) -> Result<CustomMetric, String> {
    let toml::Value::Table(table) = value else {
        return Err("must be a list of tables".into());
    };
    let table: toml::Table = table.iter().map(|(key, value)| (key.to_lowercase(), value.clone())).collect();
    let spec: Spec = table
        .try_into()
        .map_err(|error: toml::de::Error| format!("has a metric that cannot be read: {}", error.message()))?;
    let mut objectives = Vec::new();
    for (quantile, error) in &spec.objectives {
        let quantile = quantile
            .parse()
            .map_err(|_| format!("has an objective {} that is no number", quoted(quantile)))?;
        objectives.push((quantile, *error));
    }
    objectives.sort_by(|a: &(f64, f64), b| a.0.total_cmp(&b.0));
    Ok(CustomMetric {
        subsystem: spec.subsystem,
        name: spec.name,
        help: spec.help,
        labels: spec.labels,
        objectives,
        buckets: spec.buckets,
    })
}

fn show(metric: &CustomMetric) -> String {
    let labels: Vec<_> = metric.labels.iter().map(|label| quoted(label)).collect();
    let mut text = format!(
        "{{ subsystem = {}, name = {}, help = {}, labels = [{}]",
        quoted(&metric.subsystem),
        quoted(&metric.name),
        quoted(&metric.help),
        labels.join(", "),
    );
    if !metric.objectives.is_empty() {
        let pairs: Vec<_> =
            metric.objectives.iter().map(|(quantile, error)| format!("\"{quantile}\" = {error:?}")).collect();
        text += &format!(", objectives = {{ {} }}", pairs.join(", "));
    }
    if !metric.buckets.is_empty() {
        text += &format!(", buckets = {:?}", metric.buckets);
    }
    text + " }"
}

fn check(metric: &CustomMetric) -> Result<(), &'static str> {
    if !is_label_name(&metric.name) || !(metric.subsystem.is_empty() || is_label_name(&metric.subsystem)) {
        return Err("metrics with a name of letters, digits and `_`");
    }
    let distinct = metric.labels.iter().enumerate().all(|(at, label)| !metric.labels[..at].contains(label));
    if !distinct || !metric.labels.iter().all(|label| is_label_name(label)) {
        return Err("metrics with distinct labels of letters, digits and `_`");
    }
    if !metric
        .objectives
        .iter()
        .all(|(quantile, error)| (0.0..=1.0).contains(quantile) && (0.0..=1.0).contains(error))
    {
        return Err("metrics with objectives between 0 and 1");
    }
    if !metric.buckets.iter().all(|bound| bound.is_finite()) || !metric.buckets.is_sorted_by(|a, b| a < b) {
        return Err("metrics with buckets that rise");
    }
    Ok(())
}
