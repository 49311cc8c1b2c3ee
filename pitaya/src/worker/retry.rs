//! Decides whether a failed job runs again, and when. Go's worker decides the same for the same job.

use std::time::SystemTime;

use serde_json::{Map, Value};

use super::date;
use super::fields::{Fields, integer};

/// The retries of a job that sets no limit.
const DEFAULT_MAX: i64 = 25;

/// Records a failure in the fields of a job and returns the seconds until it runs again, or `None` for a dead job.
///
/// `random` returns a number below its argument.
pub(crate) fn fail(
    fields: &mut Fields,
    queue: &str,
    error: &str,
    now: SystemTime,
    random: impl FnOnce(u64) -> u64,
) -> Option<i64> {
    let again = runs_again(fields);
    fields.insert("queue".into(), queue.into());
    fields.insert("error_message".into(), error.into());
    let count = match fields.get("retry_count").and_then(integer) {
        Some(count) => {
            fields.insert("retried_at".into(), date::stamp(now).into());
            count.saturating_add(1)
        }
        None => {
            fields.insert("failed_at".into(), date::stamp(now).into());
            0
        }
    };
    if !again {
        return None;
    }
    fields.insert("retry_count".into(), count.into());
    Some(delay(count, fields.get("retry_options").and_then(Value::as_object), random))
}

/// Whether a job that fails now runs again. The count that it carries is that of the failures before.
fn runs_again(fields: &Fields) -> bool {
    let (enabled, limit) = match fields.get("retry") {
        Some(Value::Bool(enabled)) => (*enabled, None),
        // Sidekiq's way to set the limit.
        Some(limit) => (integer(limit).is_some(), integer(limit)),
        None => (false, None),
    };
    let limit = fields.get("retry_max").and_then(integer).or(limit).unwrap_or(DEFAULT_MAX);
    enabled && fields.get("retry_count").and_then(integer).unwrap_or(0) < limit
}

/// Returns the seconds before retry `count`, which counts from 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole seconds; casts saturate")]
#[expect(clippy::cast_precision_loss, reason = "counts and seconds are far below 2^53")]
pub(crate) fn delay(
    count: i64,
    options: Option<&Map<String, Value>>,
    random: impl FnOnce(u64) -> u64,
) -> i64 {
    let option =
        |name, default: f64| options.and_then(|all| all.get(name)).and_then(Value::as_f64).unwrap_or(default);
    let (exponent, min) = (option("exp", 4.0), option("min_delay", 15.0));
    let (max, bound) = (option("max_delay", f64::INFINITY), option("max_rand", 30.0));
    let random = if bound >= 1.0 { random(bound as u64) } else { 0 };
    let delay = (count as f64).powf(exponent) + min + random as f64 * (count as f64 + 1.0);
    delay.min(max) as i64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(job: Value) -> Fields {
        job.as_object().unwrap().clone()
    }

    /// Lets a job fail until it is dead. Returns the delays.
    fn delays(job: Value) -> Vec<i64> {
        let mut fields = fields(job);
        std::iter::from_fn(|| fail(&mut fields, "rpc", "fails", SystemTime::now(), |_| 0)).take(40).collect()
    }

    #[test]
    fn go_pitayas_defaults_run_a_job_four_times() {
        let options = json!({"exp": 5, "min_delay": 10, "max_delay": 10, "max_rand": 0});
        assert_eq!(delays(json!({"retry": true, "retry_max": 2, "retry_options": options})), [10, 10, 10]);
    }

    #[test]
    fn a_job_says_how_often_it_runs() {
        for (job, runs) in [
            (json!({}), 1),
            (json!({"retry": false, "retry_max": 3}), 1),
            (json!({"retry": null}), 1),
            (json!({"retry": "yes"}), 1),
            (json!({"retry": true, "retry_max": 0}), 1),
            (json!({"retry": true, "retry_max": -4}), 1),
            (json!({"retry": true, "retry_max": 1}), 3),
            (json!({"retry": 1}), 3),
            (json!({"retry": 1, "retry_max": 2}), 4),
            (json!({"retry": true, "retry_max": "many"}), 27),
            (json!({"retry": true}), 27),
        ] {
            assert_eq!(delays(job.clone()).len() + 1, runs, "{job}");
        }
    }

    #[test]
    fn a_failure_is_recorded_as_go_records_it() {
        let mut job = fields(json!({"queue": "rpc", "retry": true, "retry_max": 2}));
        let first = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_796_011_182);
        fail(&mut job, "ns:rpc", "fails", first, |_| 0).unwrap();
        let failed = json!({
            "queue": "ns:rpc", "retry": true, "retry_max": 2, "error_message": "fails", "retry_count": 0,
            "failed_at": "2026-11-30 03:59:42 UTC",
        });
        assert_eq!(Value::from(job.clone()), failed);
        fail(&mut job, "ns:rpc", "again", first, |_| 0).unwrap();
        assert_eq!(job["retry_count"], 1);
        assert_eq!((&job["error_message"], &job["retried_at"]), (&json!("again"), &failed["failed_at"]));
    }

    #[test]
    fn options_that_are_no_numbers_have_defaults() {
        let random = |bound| {
            assert_eq!(bound, 30);
            29
        };
        assert_eq!(delay(2, None, random), 16 + 15 + 29 * 3);
        let options = json!({"exp": "5", "min_delay": null, "max_delay": [], "max_rand": 0.5});
        assert_eq!(delay(2, options.as_object(), |_| panic!("no random part")), 16 + 15);
        assert_eq!(delay(0, json!({"exp": 0, "max_rand": 0}).as_object(), |_| 0), 1 + 15);
        assert_eq!(delay(i64::MAX, json!({"exp": 99, "max_rand": -1}).as_object(), |_| 0), i64::MAX);
    }
}
