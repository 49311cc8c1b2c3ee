//! Metrics and their reporters.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{secs, some_time};
use crate::config::choices::StatsdDialect;
use crate::config::custom::{CustomMetric, Specs};
use crate::config::key::{Key, Rule};
use crate::config::value_type::{Choice, Count, DurationValue, Flag, Labels, Number, Text, ValueType};

keys! {
    /// Metrics: `pitaya.metrics`.
    MetricsConfig (metrics) [prometheus: PrometheusConfig, statsd: StatsdConfig, custom: CustomMetricsConfig] {
        /// Pause between two reports of the metrics that are sampled.
        period: Duration as DurationValue = secs(15), "pitaya.metrics.period",
            allowed("more than 0s", some_time);

        /// The label `game` of every metric.
        game: String as Text = String::new(), "pitaya.metrics.game";

        /// Labels with fixed values, for every metric. Their names are lower-cased.
        const_labels: BTreeMap<String, String> as Labels = BTreeMap::new(), "pitaya.metrics.constLabels",
            also(&["pitaya.metrics.constTags"]);

        /// Labels that a report may set, for every metric, with the value they have otherwise. Their names are lower-cased.
        additional_labels: BTreeMap<String, String> as Labels = BTreeMap::new(),
            "pitaya.metrics.additionalLabels",
            also(&["pitaya.metrics.additionalTags", "pitaya.metrics.prometheus.additionalTags"]);
    }

    /// The Prometheus reporter: `pitaya.metrics.prometheus`.
    PrometheusConfig (metrics.prometheus) [] {
        /// Serves the metrics to Prometheus, at `/metrics` of a port of its own. It needs the feature `prometheus`.
        enabled: bool as Flag = false, "pitaya.metrics.prometheus.enabled";

        /// The address of the endpoint, without the port. All addresses if it is empty.
        host: String as Text = String::new(), "pitaya.metrics.prometheus.host";

        /// The port of the endpoint. If it is taken, the error is logged and the app runs without.
        port: u16 as Count<u16> = 9090, "pitaya.metrics.prometheus.port";

        /// Exports summaries as histograms, which can be aggregated over servers, instead of with quantiles.
        histograms: bool as Flag = false, "pitaya.metrics.prometheus.histograms";
    }

    /// The StatsD reporter: `pitaya.metrics.statsd`.
    StatsdConfig (metrics.statsd) [] {
        /// Sends the metrics to a StatsD server. It needs the feature `statsd`.
        enabled: bool as Flag = false, "pitaya.metrics.statsd.enabled";

        /// The address of the StatsD server: `host:port`, `host` with port 8125, or `unix:///path`. If
        /// it is empty, the variables `DD_AGENT_HOST` and `DD_DOGSTATSD_PORT` say it.
        host: String as Text = "localhost:9125".to_owned(), "pitaya.metrics.statsd.host", addresses();

        /// The prefix of all metric names, joined without a separator.
        prefix: String as Text = "pitaya.".to_owned(), "pitaya.metrics.statsd.prefix",
            allowed("letters, digits, `.`, `_` and `-`",
                |v| v.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-')));

        /// The share of counts and times that is sent, chosen at random. Each line carries the rate, so that the server can
        /// scale counts.
        rate: f64 as Number = 1.0, "pitaya.metrics.statsd.rate",
            allowed("between 0 and 1", |v| (0.0..=1.0).contains(v));

        /// The protocol: dogstatsd, with labels as tags, or statsd, with labels as parts of the names.
        dialect: StatsdDialect as Choice<StatsdDialect> = StatsdDialect::DogStatsd,
            "pitaya.metrics.statsd.dialect";
    }

    /// Metrics that the application defines: `pitaya.metrics.custom`.
    CustomMetricsConfig (metrics.custom) [] {
        /// Counters that the application defines.
        counters: Vec<CustomMetric> as Specs = Vec::new(), "pitaya.metrics.custom.counters";

        /// Gauges that the application defines.
        gauges: Vec<CustomMetric> as Specs = Vec::new(), "pitaya.metrics.custom.gauges";

        /// Summaries that the application defines.
        summaries: Vec<CustomMetric> as Specs = Vec::new(), "pitaya.metrics.custom.summaries";

        /// Histograms that the application defines.
        histograms: Vec<CustomMetric> as Specs = Vec::new(), "pitaya.metrics.custom.histograms";
    }
}
