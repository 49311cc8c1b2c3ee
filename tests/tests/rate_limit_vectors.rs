//! The rate limiter against the recorded decisions of Go Pitaya (`rate_limit` in `client-vectors.json`).

use std::{num::NonZeroUsize, time::Duration};

use pitaya::acceptor::{RateLimit, SlidingLog};
use pitaya_tests::vectors::{self, Case, run};
use serde_json::Value;
use tokio::time::Instant;

#[test]
fn every_kind_runs_and_asserts() {
    vectors::complete("rate_limit_vectors", &[("rate_limit", rate_limit_vectors)]);
}

#[test]
fn rate_limit_vectors() {
    run("rate_limit", |case| {
        let interval = Duration::from_millis(case.u64("interval_ms")?);
        let limit = usize::try_from(case.u64("limit")?).map_err(|error| error.to_string())?;
        let Some(limit) = NonZeroUsize::new(limit) else {
            // Go Pitaya crashes; this framework refuses the configuration.
            return case.holds("a limit of 0 is refused", RateLimit::new(0, interval).is_err());
        };
        let start = Instant::now();
        let mut log = SlidingLog::new(limit, interval);
        let arrivals = list(case, "arrival_ms", Value::as_u64)?;
        let decided: Vec<bool> =
            arrivals.into_iter().map(|at| log.allow(start + Duration::from_millis(at))).collect();
        case.holds("something arrives", !decided.is_empty())?;
        case.same("accepted", &decided, &list(case, "accepted", Value::as_bool)?)
    });
}

fn list<T>(case: &Case<'_>, field: &str, one: impl Fn(&Value) -> Option<T>) -> Result<Vec<T>, String> {
    let all = case.get(field)?.as_array().ok_or_else(|| format!("{field} is no list"))?;
    all.iter().map(|value| one(value).ok_or_else(|| format!("{field} has {value}"))).collect()
}
