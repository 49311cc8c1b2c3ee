//! The progress and the result, as text and as JSON.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use super::bot::Shared;
use super::file::ThresholdsFile;
use super::load::End;
use super::stats::{Latencies, Stats};

/// The quantiles of the result.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)];

/// The result of a load.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) end: End,
    pub(super) elapsed: Duration,
    /// Answers and notifies a second, after the ramp.
    pub(super) rate: f64,
    pub(super) stats: Stats,
}

/// A threshold with what was measured.
#[derive(Debug)]
pub(super) struct Verdict {
    name: &'static str,
    limit: String,
    value: String,
    pub(super) passed: bool,
}

/// Returns the number of answers and notifies.
pub(super) fn operations(labels: &[String], stats: &Stats) -> u64 {
    let counts = |label: &str| label.starts_with("request ") || label.starts_with("notify ");
    labels.iter().zip(&stats.steps).filter(|(label, _)| counts(label)).map(|(_, step)| step.done).sum()
}

/// Returns the line of the last second.
pub(super) fn progress(shared: &Shared, window: &Stats, elapsed: Duration) -> String {
    format!(
        "{:>4} s  connected {}/{}  {}/s  errors {}  p50 {}  p99 {}",
        elapsed.as_secs(),
        shared.connected.load(Ordering::Relaxed),
        shared.plan.load.bots,
        operations(&shared.plan.labels, window),
        window.total_failed(),
        time(window.requests.at(0.5)),
        time(window.requests.at(0.99)),
    )
}

/// Compares the result with the thresholds.
pub(super) fn verdicts(thresholds: &ThresholdsFile, outcome: &Outcome) -> Vec<Verdict> {
    let requests = &outcome.stats.requests;
    let limits = [
        ("p50", thresholds.p50, requests.at(0.5)),
        ("p90", thresholds.p90, requests.at(0.9)),
        ("p99", thresholds.p99, requests.at(0.99)),
        ("max", thresholds.max, requests.max()),
    ];
    let mut all = Vec::new();
    for (name, limit, value) in limits {
        let Some(limit) = limit else { continue };
        // Without an answer there is no latency that passes.
        let passed = requests.len() > 0 && value <= limit.0;
        all.push(Verdict { name, limit: pitaya_duration::text(limit.0), value: time(value), passed });
    }
    if let Some(limit) = thresholds.errors {
        let share = outcome.stats.error_share();
        let percent = |share: f64| format!("{:.3}%", share * 100.0);
        let passed = share <= limit.0;
        all.push(Verdict { name: "errors", limit: percent(limit.0), value: percent(share), passed });
    }
    if let Some(limit) = thresholds.rate {
        let passed = outcome.rate >= limit.0;
        let per_second = |rate: f64| format!("{rate:.1}/s");
        all.push(Verdict {
            name: "rate",
            limit: per_second(limit.0),
            value: per_second(outcome.rate),
            passed,
        });
    }
    all
}

/// Returns the result as text.
pub(super) fn text(shared: &Shared, outcome: &Outcome, verdicts: &[Verdict]) -> String {
    let stats = &outcome.stats;
    let mut text = String::new();
    let seconds = outcome.elapsed.as_secs_f64();
    let _ = writeln!(text, "bots      {} for {seconds:.1} s; {}", shared.plan.load.bots, ended(&outcome.end));
    let _ = writeln!(text, "runs      {} done, {} failed", stats.runs.len(), stats.failed_runs);
    let _ = writeln!(text, "requests  {:.1}/s", outcome.rate);
    let _ = writeln!(
        text,
        "\n{:<36} {:>10} {:>8} {:>9} {:>9} {:>9} {:>9}",
        "step", "done", "failed", "p50", "p90", "p99", "max"
    );
    let none = Latencies::default();
    for (label, step) in shared.plan.labels.iter().zip(&stats.steps) {
        if step.begun == 0 {
            continue;
        }
        let latencies = step.latencies.as_deref().unwrap_or(&none);
        let at = |value: Duration| if latencies.len() == 0 { "-".to_owned() } else { time(value) };
        let _ = writeln!(
            text,
            "{label:<36} {:>10} {:>8} {:>9} {:>9} {:>9} {:>9}",
            step.done,
            step.failed(),
            at(latencies.at(0.5)),
            at(latencies.at(0.9)),
            at(latencies.at(0.99)),
            at(latencies.max()),
        );
    }
    if stats.total_failed() > 0 {
        text.push_str("\nerrors\n");
    }
    for (label, step) in shared.plan.labels.iter().zip(&stats.steps) {
        for (code, count) in &step.errors {
            let _ = writeln!(text, "{label:<36} {count:>10} {}", code.escape_debug());
        }
    }
    if !verdicts.is_empty() {
        text.push_str("\nthresholds\n");
    }
    for Verdict { name, limit, value, passed } in verdicts {
        let verdict = if *passed { "ok" } else { "FAILED" };
        let _ = writeln!(text, "{name:<10} {value:>12} of {limit:<12} {verdict}");
    }
    text
}

/// Returns the result as JSON. Latencies are in microseconds.
pub(super) fn to_json(shared: &Shared, outcome: &Outcome, verdicts: &[Verdict], passed: bool) -> Value {
    let stats = &outcome.stats;
    let steps = shared.plan.labels.iter().zip(&stats.steps).filter(|(_, step)| step.begun > 0).map(|(label, step)| {
        let latency = step.latencies.as_deref().map(latencies);
        json!({ "step": label, "done": step.done, "failed": step.failed(), "errors": step.errors, "latency_us": latency })
    });
    let thresholds = verdicts.iter().map(|verdict| {
        json!({ "name": verdict.name, "limit": verdict.limit, "value": verdict.value, "passed": verdict.passed })
    });
    json!({
        "server": shared.target.address.to_string(),
        "bots": shared.plan.load.bots,
        "seconds": outcome.elapsed.as_secs_f64(),
        "ended": ended(&outcome.end),
        "rate": outcome.rate,
        "error_share": stats.error_share(),
        "runs": { "done": stats.runs.len(), "failed": stats.failed_runs, "time_us": latencies(&stats.runs) },
        "requests": { "done": stats.requests.len(), "latency_us": latencies(&stats.requests) },
        "steps": steps.collect::<Vec<_>>(),
        "thresholds": thresholds.collect::<Vec<_>>(),
        "passed": passed,
    })
}

fn latencies(latencies: &Latencies) -> Value {
    let micros = |time: Duration| json!(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    let quantiles = QUANTILES.map(|(name, quantile)| (name.to_owned(), micros(latencies.at(quantile))));
    let rest = [("mean", latencies.mean()), ("max", latencies.max())];
    quantiles.into_iter().chain(rest.map(|(name, time)| (name.to_owned(), micros(time)))).collect()
}

fn ended(end: &End) -> String {
    match end {
        End::Duration => "the duration is over".to_owned(),
        End::Runs => "all runs are done".to_owned(),
        End::Interrupted => "interrupted".to_owned(),
        End::Lost(why) => format!("the server is gone: {why}"),
    }
}

/// Returns a latency with three digits.
fn time(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        0..1_000 => format!("{micros}us"),
        1_000..1_000_000 => format!("{:.2}ms", time.as_secs_f64() * 1e3),
        _ => format!("{:.2}s", time.as_secs_f64()),
    }
}
