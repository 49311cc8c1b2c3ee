//! The rate limiter against the recorded decisions of the original (`rate_limit` in `client-vectors.json`).
//!
//! The file of the folder named by `PITAYA_VECTORS` is read instead of ours where it is set.

use std::{env, fs, num::NonZeroUsize, path::PathBuf, time::Duration};

use pitaya::acceptor::{RateLimit, SlidingLog};
use serde_json::Value;
use tokio::time::Instant;

#[test]
fn rate_limit_vectors() {
    let folder = env::var_os("PITAYA_VECTORS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors")),
        PathBuf::from,
    );
    let text = fs::read_to_string(folder.join("client-vectors.json")).expect("the vectors file");
    let vectors: Value = serde_json::from_str(&text).expect("the vectors are JSON");
    let entries = vectors["rate_limit"]
        .as_array()
        .expect("rate_limit is a list");

    let failures: Vec<String> = entries.iter().filter_map(|one| check(one).err()).collect();
    println!("rate_limit: {} cases", entries.len());
    assert!(!entries.is_empty(), "no case was run");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Asserts one entry; the error names it.
fn check(entry: &Value) -> Result<(), String> {
    let name = entry["name"].as_str().unwrap_or("an entry without a name");
    let number = |key: &str| entry[key].as_u64().ok_or(format!("{name}: no {key}"));
    let list = |key: &str| entry[key].as_array().ok_or(format!("{name}: no {key}"));
    let interval = Duration::from_millis(number("interval_ms")?);
    let limit = usize::try_from(number("limit")?).map_err(|error| format!("{name}: {error}"))?;

    let Some(limit) = NonZeroUsize::new(limit) else {
        // the original crashes; ours refuses the configuration
        return match RateLimit::new(0, interval) {
            Err(_) => Ok(()),
            Ok(_) => Err(format!("{name}: a limit of 0 was taken")),
        };
    };
    let start = Instant::now();
    let mut log = SlidingLog::new(limit, interval);
    let mut decide = |at: u64| log.allow(start + Duration::from_millis(at));
    let decided: Vec<Option<bool>> = list("arrival_ms")?
        .iter()
        .map(|at| at.as_u64().map(&mut decide))
        .collect();
    let expected: Vec<Option<bool>> = list("accepted")?.iter().map(Value::as_bool).collect();
    if decided.is_empty() || decided.contains(&None) {
        return Err(format!("{name}: asserts nothing"));
    }
    if decided != expected {
        return Err(format!("{name}: expected {expected:?}, got {decided:?}"));
    }
    Ok(())
}
