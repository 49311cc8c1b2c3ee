//! The counts and latencies of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

/// The highest latency of a histogram, in microseconds: an hour.
const HIGHEST: u64 = 3_600_000_000;
/// The significant decimal digits of a latency.
const DIGITS: u8 = 3;
/// The code of an answer or a push that did not arrive before the end.
pub(super) const UNANSWERED: &str = "unanswered";

/// Latencies in microseconds.
#[derive(Debug, Clone)]
pub(super) struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, HIGHEST, DIGITS);
        Self(histogram.expect("these bounds are valid"))
    }
}

impl Latencies {
    pub(super) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(HIGHEST).clamp(1, HIGHEST));
    }

    pub(super) fn add(&mut self, other: &Self) {
        // Both have the same bounds.
        self.0 += &other.0;
    }

    pub(super) fn len(&self) -> u64 {
        self.0.len()
    }

    /// Returns a quantile.
    pub(super) fn at(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(quantile))
    }

    pub(super) fn max(&self) -> Duration {
        Duration::from_micros(self.0.max())
    }

    pub(super) fn mean(&self) -> Duration {
        Duration::from_secs_f64(self.0.mean().max(0.0) / 1e6)
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// The results of one kind of step.
#[derive(Debug, Clone, Default)]
pub(super) struct StepStats {
    pub(super) begun: u64,
    pub(super) done: u64,
    /// Waits that the end of the load cut off.
    pub(super) cut: u64,
    /// The failures by code.
    pub(super) errors: BTreeMap<String, u64>,
    /// The latencies of requests, of connecting and of pushes. Notifies have none.
    pub(super) latencies: Option<Box<Latencies>>,
}

impl StepStats {
    pub(super) fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    fn add(&mut self, other: &Self) {
        self.begun += other.begun;
        self.done += other.done;
        self.cut += other.cut;
        for (code, count) in &other.errors {
            *self.errors.entry(code.clone()).or_default() += count;
        }
        if let Some(latencies) = &other.latencies {
            self.latencies.get_or_insert_default().add(latencies);
        }
    }
}

/// The results of all steps.
#[derive(Debug, Clone, Default)]
pub(super) struct Stats {
    /// By the index of the label.
    pub(super) steps: Vec<StepStats>,
    /// The latencies of requests.
    pub(super) requests: Latencies,
    /// The time of whole runs without an error.
    pub(super) runs: Latencies,
    pub(super) failed_runs: u64,
}

impl Stats {
    pub(super) fn new(labels: usize) -> Self {
        Self { steps: vec![StepStats::default(); labels], ..Self::default() }
    }

    pub(super) fn begin(&mut self, label: usize) {
        self.steps[label].begun += 1;
    }

    /// Counts a step that is done. A request counts among all requests too.
    pub(super) fn done(&mut self, label: usize, latency: Option<Duration>, request: bool) {
        let step = &mut self.steps[label];
        step.done += 1;
        if let Some(latency) = latency {
            step.latencies.get_or_insert_default().record(latency);
            if request {
                self.requests.record(latency);
            }
        }
    }

    pub(super) fn failed(&mut self, label: usize, code: &str) {
        let errors = &mut self.steps[label].errors;
        match errors.get_mut(code) {
            Some(count) => *count += 1,
            None => {
                errors.insert(code.to_owned(), 1);
            }
        }
    }

    /// Moves the results of another one into this one.
    pub(super) fn take(&mut self, other: &mut Self) {
        for (step, taken) in self.steps.iter_mut().zip(&mut other.steps) {
            step.add(taken);
            // The memory of the histograms stays.
            let mut latencies = taken.latencies.take();
            if let Some(latencies) = &mut latencies {
                latencies.clear();
            }
            *taken = StepStats { latencies, ..StepStats::default() };
        }
        self.requests.add(&other.requests);
        self.runs.add(&other.runs);
        self.failed_runs += other.failed_runs;
        other.requests.clear();
        other.runs.clear();
        other.failed_runs = 0;
    }

    /// Counts the steps without an end as failed.
    pub(super) fn finish(&mut self) {
        for label in 0..self.steps.len() {
            let step = &mut self.steps[label];
            let missing = step.begun.saturating_sub(step.done + step.failed() + step.cut);
            if missing > 0 {
                *step.errors.entry(UNANSWERED.to_owned()).or_default() += missing;
            }
        }
    }

    pub(super) fn total_done(&self) -> u64 {
        self.steps.iter().map(|step| step.done).sum()
    }

    pub(super) fn total_failed(&self) -> u64 {
        self.steps.iter().map(StepStats::failed).sum()
    }

    /// Returns the share of steps that failed, from 0 to 1.
    pub(super) fn error_share(&self) -> f64 {
        let (done, failed) = (self.total_done() as f64, self.total_failed() as f64);
        if failed == 0.0 { 0.0 } else { failed / (done + failed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_results_are_counted_once() {
        let (mut total, mut part) = (Stats::new(2), Stats::new(2));
        for _ in 0..2 {
            part.begin(0);
            part.done(0, Some(Duration::from_millis(3)), true);
            part.begin(1);
            part.failed(1, "PIT-504");
            total.take(&mut part);
        }
        assert_eq!((total.total_done(), total.total_failed(), total.requests.len()), (2, 2, 2));
        assert_eq!(total.steps[0].latencies.as_ref().unwrap().len(), 2);
        assert_eq!(total.steps[1].errors["PIT-504"], 2);
        assert_eq!((part.total_done(), part.requests.len()), (0, 0));
        assert!((total.error_share() - 0.5).abs() < 1e-9);
    }

    #[test]
    fn steps_without_an_end_fail() {
        let mut stats = Stats::new(1);
        (0..3).for_each(|_| stats.begin(0));
        stats.done(0, None, false);
        stats.finish();
        assert_eq!(stats.steps[0].errors[UNANSWERED], 2);
        stats.finish();
        assert_eq!(stats.total_failed(), 2);
    }

    #[test]
    fn latencies_keep_three_digits_up_to_an_hour() {
        let mut latencies = Latencies::default();
        for millis in 1..=1000 {
            latencies.record(Duration::from_millis(millis));
        }
        latencies.record(Duration::from_secs(7200));
        latencies.record(Duration::ZERO);
        let p99 = latencies.at(0.99).as_secs_f64();
        assert!((p99 - 0.991).abs() < 0.002, "{p99}");
        assert!(latencies.max() >= Duration::from_secs(3599));
    }
}
