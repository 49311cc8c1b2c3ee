//! How long the steps of `cargo xtask test` take.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The ticks a second in which Linux counts processor time.
const TICKS: f64 = 100.0;

/// The steps that have run.
pub(super) struct Timings {
    start: Instant,
    processor_before: Option<f64>,
    steps: Mutex<Vec<(&'static str, Duration)>>,
}

impl Timings {
    pub(super) fn start() -> Self {
        Self { start: Instant::now(), processor_before: processor_time(), steps: Mutex::default() }
    }

    /// Runs a step and keeps how long it took.
    pub(super) fn time<T>(&self, name: &'static str, step: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = step();
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).push((name, start.elapsed()));
        result
    }

    /// Returns the table that ends a run. Steps that ran side by side take less time than their sum.
    pub(super) fn table(&self) -> String {
        let processor = self.processor_before.and_then(|before| Some(processor_time()? - before));
        let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        table(&steps, self.start.elapsed(), processor)
    }
}

/// `processor` are seconds of processor time of all programs; unknown on other systems than Linux.
fn table(steps: &[(&str, Duration)], all: Duration, processor: Option<f64>) -> String {
    let mut text = format!("\n{:<14} {:>8}\n", "step", "seconds");
    for (name, took) in steps.iter().chain(&[("all", all)]) {
        let _ = writeln!(text, "{name:<14} {:>8.1}", took.as_secs_f64());
    }
    if let Some(processor) = processor {
        let _ = writeln!(text, "{:<14} {processor:>8.1}", "processor time");
    }
    text
}

/// Returns the processor time of all child processes that have ended, in seconds.
fn processor_time() -> Option<f64> {
    children_time(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

/// Reads the fields 16 and 17 of `/proc/PID/stat`: the time of ended children in user mode and in the kernel.
fn children_time(stat: &str) -> Option<f64> {
    // The name of the program is in parentheses and may have spaces. The field after it is the third.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
    Some((ticks(16)? + ticks(17)?) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_time_is_read_after_the_name() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 0 0 0 0 0 11 12 250 50 20 0 1";
        assert_eq!(children_time(stat), Some(3.0));
        assert_eq!(children_time("7 (a) S 1"), None);
        assert_eq!(children_time(""), None);
    }

    #[test]
    fn table_ends_with_the_whole_run() {
        let lines = |processor| -> Vec<String> {
            let steps = [("clippy", Duration::from_secs(10)), ("docs", Duration::from_secs(20))];
            let table = table(&steps, Duration::from_secs(25), processor);
            table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
        };
        assert_eq!(lines(None)[1..], ["step seconds", "clippy 10.0", "docs 20.0", "all 25.0"]);
        assert_eq!(lines(Some(40.0)).last().unwrap(), "processor time 40.0");
    }

    #[test]
    fn steps_are_kept_as_they_end() {
        let timings = Timings::start();
        assert_eq!(timings.time("a", || 7), 7);
        assert!(timings.table().contains("\na   "), "{}", timings.table());
    }
}
