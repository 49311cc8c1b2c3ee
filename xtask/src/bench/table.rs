//! The table that is printed.

use std::fmt;

use serde_json::Value;

use super::scenario::{Scenario, Work};

/// The title and the head of the table.
pub(super) fn header(rounds: usize, seconds: f64, threads: usize) -> String {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!(
        "{rounds} rounds of {seconds} s, each side in turn; {processors} processors, {threads} threads of load. \
         Medians; ratios of each round, with their span.\n\n\
         | {:<16} | {:>9} | {:>8} | {:>8} | {:>8} | {:>8} | {:>8} | {:<19} | {:<10} |\n|{}|",
        "scenario",
        "ops/s",
        "p50 µs",
        "p90 µs",
        "p99 µs",
        "ours µs",
        "base µs",
        "ratio (min–max)",
        "to reach",
        ["-".repeat(18), "-".repeat(11)]
            .into_iter()
            .chain(std::iter::repeat_n("-".repeat(10), 5))
            .chain(["-".repeat(21), "-".repeat(12)])
            .collect::<Vec<_>>()
            .join("|"),
    )
}

/// The meaning of the columns, and the rows that fell short.
pub(super) fn footer(short: &[&str]) -> String {
    let verdict = match short {
        [] => "Everything that has a target reached it.".to_owned(),
        _ => format!("Short of their targets: {}.", short.join(", ")),
    };
    format!(
        "`ours` and `base` are the server's CPU time an operation; of idle connections, KiB of memory each. The base \
         is the bare echo, in the scenarios onoff-… our server without compression. A latency of bursts is that of a whole burst, of a \
         broadcast until the last member has it. `load!`: in so many of our rounds the load generator was the limit, \
         so that more operations a second were possible.\n{verdict}"
    )
}

/// The results of one scenario.
pub(super) struct Row {
    scenario: &'static Scenario,
    ours: Vec<Value>,
    base: Vec<Value>,
}

impl Row {
    /// Without results yet.
    pub(super) fn new(scenario: &'static Scenario) -> Self {
        Self { scenario, ours: Vec::new(), base: Vec::new() }
    }

    /// Takes a report of the load generator.
    pub(super) fn add(&mut self, ours: bool, report: &Value) -> Result<(), String> {
        cost(self.scenario, report).ok_or_else(|| format!("the report names no cost: {report}"))?;
        if ours { &mut self.ours } else { &mut self.base }.push(report.clone());
        Ok(())
    }

    fn costs(&self, reports: &[Value]) -> Vec<f64> {
        reports.iter().filter_map(|report| cost(self.scenario, report)).collect()
    }

    /// Ours divided by the base, round by round.
    fn ratios(&self) -> Vec<f64> {
        self.costs(&self.ours).iter().zip(self.costs(&self.base)).map(|(ours, base)| ours / base).collect()
    }

    /// The measure of the target: the ratio, or the KiB of idle connections.
    fn reached(&self) -> Option<f64> {
        if self.scenario.work == Work::Idle {
            median(&self.costs(&self.ours))
        } else {
            median(&self.ratios())
        }
    }

    /// Whether there is a target, and it was missed.
    pub(super) fn is_short(&self) -> bool {
        self.scenario.target.zip(self.reached()).is_some_and(|(target, reached)| reached > target)
    }

    fn column(&self, name: &str) -> Option<f64> {
        median(&self.ours.iter().filter_map(|report| report[name].as_f64()).collect::<Vec<_>>())
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
        };
        let ratios = self.ratios();
        let span = |pick: fn(f64, f64) -> f64| ratios.iter().copied().reduce(pick);
        let ratio = match (median(&ratios), span(f64::min), span(f64::max)) {
            (Some(median), Some(least), Some(most)) => format!("{median:.2} ({least:.2}–{most:.2})"),
            _ => "–".to_owned(),
        };
        let mark = if self.is_short() { "short" } else { "ok" };
        let target = self.scenario.target.map_or_else(|| "–".to_owned(), |target| format!("{target} {mark}"));
        let limited = self.ours.iter().filter(|report| report["load_was_the_limit"] == true).count();
        write!(
            f,
            "| {:<16} | {:>9} | {:>8} | {:>8} | {:>8} | {:>8} | {:>8} | {ratio:<19} | {target:<10} |",
            self.scenario.name,
            shown(self.column("ops_per_second"), 0),
            shown(self.column("p50_us"), 0),
            shown(self.column("p90_us"), 0),
            shown(self.column("p99_us"), 0),
            shown(median(&self.costs(&self.ours)), 2),
            shown(median(&self.costs(&self.base)), 2),
        )?;
        if limited > 0 { write!(f, " load! {limited}/{}", self.ours.len()) } else { Ok(()) }
    }
}

/// Microseconds of the server's CPU an operation, or KiB a connection.
fn cost(scenario: &Scenario, report: &Value) -> Option<f64> {
    if scenario.work == Work::Idle {
        report["bytes_per_connection"].as_f64().map(|bytes| bytes / 1024.0)
    } else {
        report["server_us_per_op"].as_f64()
    }
}

/// The middle of the values, or the mean of the two in the middle.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::scenario::SCENARIOS;
    use super::*;

    #[test]
    fn median_is_the_middle_or_the_mean_of_two() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), Some(3.0));
    }

    #[test]
    fn row_judges_the_median_of_its_ratios() {
        let scenario = SCENARIOS.iter().find(|scenario| scenario.name == "tcp-64x1").unwrap();
        let mut row = Row::new(scenario);
        for (ours, base) in [(11.0, 10.0), (40.0, 20.0), (12.0, 10.0)] {
            row.add(true, &json!({ "server_us_per_op": ours, "load_was_the_limit": ours > 30.0 })).unwrap();
            row.add(false, &json!({ "server_us_per_op": base })).unwrap();
        }
        assert!(!row.is_short());
        let line = row.to_string();
        assert!(line.contains("1.20 (1.10–2.00)") && line.contains("1.25 ok"), "{line}");
        assert!(line.ends_with("load! 1/3"), "{line}");
        assert!(row.add(true, &json!({})).is_err());
    }
}
