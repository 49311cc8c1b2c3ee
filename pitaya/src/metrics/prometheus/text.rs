//! The text formats: Prometheus 0.0.4 and OpenMetrics 1.0.0.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use super::super::series::Family;
use super::super::{Metric, MetricKind};
use super::series::{Reading, Series, kind};

/// The text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Prometheus text 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Returns the format that an `Accept` header prefers; the older one by default.
    pub(super) fn preferred(accept: &str) -> Self {
        let (mut open, mut text) = (0.0, 0.0);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            let (mut quality, mut known) = (1.0, true);
            for parameter in parts {
                match parameter.split_once('=') {
                    Some(("q", value)) => quality = value.parse().unwrap_or(0.0),
                    Some(("version", value)) => known = matches!(value, "1.0.0" | "0.0.1" | "0.0.4"),
                    _ => {}
                }
            }
            let best: &mut f64 = match media {
                "application/openmetrics-text" if known => &mut open,
                "text/plain" if known => &mut text,
                _ => continue,
            };
            *best = best.max(quality);
        }
        if open > 0.0 && open >= text { Self::OpenMetrics } else { Self::Text }
    }
}

/// Writes metrics, which are sorted by name.
pub(super) fn write(families: &[Arc<Family<Series>>], format: Format, histograms: bool) -> String {
    let mut text = String::new();
    for family in families {
        let mut series = family.series();
        series.sort_unstable_by(|a, b| a.values.cmp(&b.values));
        let readings: Vec<_> =
            series.iter().filter_map(|series| Some((&*series.labels, series.read()?))).collect();
        if !readings.is_empty() {
            let name = family.metric.full_name();
            let mut writer = Writer { text: &mut text, name: &name, format };
            writer.family(&family.metric, kind(&family.metric, histograms), &readings);
        }
    }
    if format == Format::OpenMetrics {
        text += "# EOF\n";
    }
    text
}

struct Writer<'a> {
    text: &'a mut String,
    name: &'a str,
    format: Format,
}

impl<'a> Writer<'a> {
    fn family(&mut self, metric: &Metric, kind: MetricKind, readings: &[(&str, Reading)]) {
        let (family, kind) = self.header(kind);
        let help = match self.format {
            Format::Text => metric.help().replace('\\', "\\\\").replace('\n', "\\n").into(),
            Format::OpenMetrics => escaped(metric.help()),
        };
        let _ = write!(self.text, "# HELP {family} {help}\n# TYPE {family} {kind}\n");
        for (labels, reading) in readings {
            match reading {
                Reading::Value(value) => self.line("", labels, None, &number(*value)),
                Reading::Summary { counts, sum } => {
                    for (share, _) in metric.objectives() {
                        let value = number(counts.quantile(*share));
                        self.line("", labels, Some(("quantile", &self.bound(*share))), &value);
                    }
                    self.line("_sum", labels, None, &number(*sum));
                    self.line("_count", labels, None, &counts.ever.to_string());
                }
                Reading::Histogram { buckets, count, sum } => {
                    for (bound, count) in buckets {
                        let bound = self.bound(*bound);
                        self.line("_bucket", labels, Some(("le", &bound)), &count.to_string());
                    }
                    self.line("_sum", labels, None, &number(*sum));
                    self.line("_count", labels, None, &count.to_string());
                }
            }
        }
    }

    /// Returns the name and the kind of a family.
    ///
    /// In OpenMetrics the samples of a counter end with `_total`. Other counters are of unknown kind there, so that their
    /// samples have one name in both formats.
    fn header(&self, kind: MetricKind) -> (&'a str, &'static str) {
        match (self.format, kind) {
            (Format::OpenMetrics, MetricKind::Counter) => match self.name.strip_suffix("_total") {
                Some(family) => (family, "counter"),
                None => (self.name, "unknown"),
            },
            (_, MetricKind::Counter) => (self.name, "counter"),
            (_, MetricKind::Gauge) => (self.name, "gauge"),
            (_, MetricKind::Summary) => (self.name, "summary"),
            (_, MetricKind::Histogram) => (self.name, "histogram"),
        }
    }

    /// Writes a bound or a share as the value of a label. OpenMetrics requires a decimal point.
    fn bound(&self, value: f64) -> String {
        let mut text = number(value);
        if self.format == Format::OpenMetrics && !text.contains(['.', 'e', 'I', 'N']) {
            text += ".0";
        }
        text
    }

    fn line(&mut self, suffix: &str, labels: &str, last: Option<(&str, &str)>, value: &str) {
        let name = self.name;
        let _ = match (labels, last) {
            ("", None) => writeln!(self.text, "{name}{suffix} {value}"),
            ("", Some((key, bound))) => writeln!(self.text, "{name}{suffix}{{{key}=\"{bound}\"}} {value}"),
            (_, None) => writeln!(self.text, "{name}{suffix}{{{labels}}} {value}"),
            (_, Some((key, bound))) => {
                writeln!(self.text, "{name}{suffix}{{{labels},{key}=\"{bound}\"}} {value}")
            }
        };
    }
}

/// Escapes the value of a label for quotation marks.
pub(super) fn escaped(value: &str) -> Cow<'_, str> {
    if value.contains(['\\', '"', '\n']) {
        value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").into()
    } else {
        value.into()
    }
}

/// Writes a number in the shortest exact form, with an exponent below 1e-4 and from 1e6 on.
fn number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if value != 0.0 && !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        for (value, text) in [
            (0.0, "0"),
            (3.0, "3"),
            (0.7, "0.7"),
            (123_456.0, "123456"),
            (999_999.5, "999999.5"),
            (1e6, "1e+06"),
            (5_003_346.0, "5.003346e+06"),
            (1e21, "1e+21"),
            (1e100, "1e+100"),
            (0.0001, "0.0001"),
            (0.000_02, "2e-05"),
            (-2.5, "-2.5"),
            (-1e7, "-1e+07"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn the_format_is_the_one_that_accept_prefers() {
        const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0,\
            application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, format) in [
            (PROMETHEUS, Format::OpenMetrics),
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", Format::OpenMetrics),
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/plain", Format::Text),
            ("application/openmetrics-text;q=0.3, text/plain;q=0.5", Format::Text),
            ("application/openmetrics-text;version=2.0.0", Format::Text),
            ("application/openmetrics-text;q=0", Format::Text),
            ("text/html,,;;q=, =", Format::Text),
        ] {
            assert_eq!(Format::preferred(accept), format, "{accept}");
        }
    }
}
