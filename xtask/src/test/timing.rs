//! How long the steps of `cargo xtask test` take.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// The ticks a second in which Linux counts processor time.
const TICKS: f64 = 100.0;

/// A step that runs, or has run.
pub(super) struct Timing {
    name: &'static str,
    start: Instant,
    processor_before: Option<f64>,
    took: Duration,
    /// Seconds of processor time of the programs that it ran; unknown on other systems than Linux.
    processor: Option<f64>,
}

impl Timing {
    pub(super) fn start(name: &'static str) -> Self {
        let processor_before = processor_time();
        Self { name, start: Instant::now(), processor_before, took: Duration::ZERO, processor: None }
    }

    pub(super) fn stop(mut self) -> Self {
        self.took = self.start.elapsed();
        self.processor =
            self.processor_before.and_then(|before| processor_time().map(|after| after - before));
        self
    }
}

/// Returns the table that ends a run.
pub(super) fn table(timings: &[Timing]) -> String {
    let mut text = format!("\n{:<14} {:>8} {:>12}\n", "step", "seconds", "CPU seconds");
    let mut line = |name: &str, took: f64, processor: Option<f64>| {
        let processor = processor.map_or("-".to_owned(), |seconds| format!("{seconds:.1}"));
        let _ = writeln!(text, "{name:<14} {took:>8.1} {processor:>12}");
    };
    for timing in timings {
        line(timing.name, timing.took.as_secs_f64(), timing.processor);
    }
    let took = timings.iter().map(|timing| timing.took.as_secs_f64()).sum();
    line("all", took, timings.iter().map(|timing| timing.processor).sum());
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
    fn table_ends_with_the_sum() {
        let timing = |name, seconds, processor| Timing {
            took: Duration::from_secs(seconds),
            processor,
            ..Timing::start(name)
        };
        let lines = |timings: &[Timing]| -> Vec<String> {
            table(timings).lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
        };
        let text = lines(&[timing("clippy", 10, Some(15.5)), timing("docs", 20, Some(1.0))]);
        assert_eq!(text[2..], ["clippy 10.0 15.5", "docs 20.0 1.0", "all 30.0 16.5"]);
        assert_eq!(lines(&[timing("docs", 1, None)])[2..], ["docs 1.0 -", "all 1.0 -"]);
    }
}
