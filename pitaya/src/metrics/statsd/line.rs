//! The lines of the protocol.

use std::fmt::Write as _;

use super::super::{Metric, MetricKind};

/// The style of all lines of a reporter.
#[derive(Debug)]
pub(super) struct Style {
    pub(super) prefix: String,
    /// Tags of every line, before all others.
    pub(super) tags: Vec<(String, String)>,
    /// The share of values that is sent, if it is not all of them.
    pub(super) rate: Option<f64>,
    /// Whether labels are tags. Otherwise they are parts of the name.
    pub(super) tagged: bool,
}

/// The line of a series, without its value.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    head: String,
    tail: String,
    /// The server reads a level with a sign as a difference.
    signed: bool,
}

impl Style {
    /// Returns the line of a label set. The metric's own labels come first in `labels`, and last in the line.
    pub(super) fn line(&self, metric: &Metric, labels: &[(&str, &str)]) -> Line {
        let (own, common) = labels.split_at(metric.label_names().count().min(labels.len()));
        let tags = self.tags.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let tags = tags.chain(common.iter().chain(own).copied());
        let kind = match metric.kind() {
            MetricKind::Counter => "c",
            MetricKind::Gauge => "g",
            MetricKind::Histogram if self.tagged => "h",
            MetricKind::Summary | MetricKind::Histogram => "ms",
        };
        let mut head = format!("{}{}", self.prefix, metric.name());
        let mut tail = format!("|{kind}");
        if let Some(rate) = self.rate
            && metric.kind() != MetricKind::Gauge
        {
            let _ = write!(tail, "|@{rate}");
        }
        let mut separator = "|#";
        for (name, value) in tags {
            if self.tagged {
                let _ = write!(tail, "{separator}{}:{}", tag(name), tag(value));
                separator = ",";
            } else if !value.is_empty() {
                let _ = write!(head, ".{}.{}", part(name), part(value));
            }
        }
        head.push(':');
        Line { head, tail, signed: !self.tagged }
    }
}

impl Line {
    /// Returns a line with a count.
    pub(super) fn count(&self, count: f64) -> String {
        format!("{}{count}{}", self.head, self.tail)
    }

    /// Returns a line with a level, in the shortest form.
    pub(super) fn shared_gauge(&self, level: f64) -> String {
        let Self { head, tail, .. } = self;
        if self.signed && level < 0.0 {
            return format!("{head}0{tail}\n{head}{level}{tail}");
        }
        format!("{head}{level}{tail}")
    }

    /// Returns a line with an observation, with six decimals.
    pub(super) fn observation(&self, value: f64) -> String {
        format!("{}{value:.6}{}", self.head, self.tail)
    }
}

/// Returns a tag without the characters that would end it.
fn tag(text: &str) -> String {
    text.replace([',', '|', '\n', '\r'], "_")
}

/// Returns a part of a name.
fn part(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    text.chars().map(|c| if allowed(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    static TOOK: Metric =
        Metric::summary("handler", "response_time_ns", "Time", &[]).labels(&["route", "code"]);
    static LEVEL: Metric = Metric::gauge("test", "level", "Level");
    static SIZES: Metric = Metric::histogram("test", "sizes", "Sizes", &[]);
    static HITS: Metric = Metric::counter("test", "hits", "Hits").labels(&["who"]);

    fn style(rate: Option<f64>, tagged: bool) -> Style {
        Style { prefix: "pitaya.".to_owned(), tags: vec![("env".to_owned(), "t".to_owned())], rate, tagged }
    }

    #[test]
    fn lines_are_those_of_the_original() {
        let all = style(None, true);
        let line = all.line(&TOOK, &[("route", "a.b.c"), ("code", ""), ("serverType", "conn")]);
        assert_eq!(
            line.observation(5_003_346.0),
            "pitaya.response_time_ns:5003346.000000|ms|#env:t,serverType:conn,route:a.b.c,code:"
        );
        assert_eq!(all.line(&LEVEL, &[]).shared_gauge(0.5), "pitaya.level:0.5|g|#env:t");
        assert_eq!(all.line(&LEVEL, &[]).shared_gauge(-3.0), "pitaya.level:-3|g|#env:t");
        assert_eq!(all.line(&SIZES, &[]).observation(1.0), "pitaya.sizes:1.000000|h|#env:t");
        let sampled = style(Some(0.25), true);
        assert_eq!(sampled.line(&HITS, &[("who", "x")]).count(3.0), "pitaya.hits:3|c|@0.25|#env:t,who:x");
        assert_eq!(
            sampled.line(&LEVEL, &[]).shared_gauge(3.0),
            "pitaya.level:3|g|#env:t",
            "levels are not sampled"
        );
    }

    #[test]
    fn a_tag_cannot_end_its_line() {
        let line = style(None, true).line(&HITS, &[("who", "a,b|c\nd:1|g")]);
        assert_eq!(line.count(1.0), "pitaya.hits:1|c|#env:t,who:a_b_c_d:1_g");
    }

    #[test]
    fn without_tags_labels_are_parts_of_the_name() {
        let plain = style(Some(0.5), false);
        let line = plain.line(&TOOK, &[("route", "a.b:c"), ("code", ""), ("serverType", "conn")]);
        assert_eq!(
            line.observation(1.0),
            "pitaya.response_time_ns.env.t.serverType.conn.route.a_b_c:1.000000|ms|@0.5"
        );
        assert_eq!(plain.line(&SIZES, &[]).observation(1.0), "pitaya.sizes.env.t:1.000000|ms|@0.5");
        // A sign means a difference, so the level is set to 0 before.
        assert_eq!(
            plain.line(&LEVEL, &[]).shared_gauge(-2.0),
            "pitaya.level.env.t:0|g\npitaya.level.env.t:-2|g"
        );
    }
}
