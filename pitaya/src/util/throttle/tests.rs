use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;

const TEN: Duration = Duration::from_secs(10);

fn allow(throttle: &Throttle, kind: &'static str, now: Instant) -> Option<u64> {
    throttle.0.allow(kind, now, || None)
}

#[test]
fn the_first_line_passes_and_the_rest_are_counted() {
    let (throttle, now) = (Throttle::new(1, TEN), Instant::now());
    assert_eq!(allow(&throttle, "a", now), Some(0));
    assert!((0..499).all(|_| allow(&throttle, "a", now).is_none()));
    assert_eq!(allow(&throttle, "b", now), Some(0));
    assert_eq!(allow(&throttle, "a", now + TEN), Some(499));
    assert_eq!(allow(&throttle, "a", now + 2 * TEN), Some(0));
}

#[test]
fn a_throttle_may_let_several_lines_through() {
    let (throttle, now) = (Throttle::new(10, TEN), Instant::now());
    assert_eq!((0..100).filter(|_| allow(&throttle, "a", now).is_some()).count(), 10);
    assert_eq!(allow(&throttle, "a", now + TEN), Some(90));
}

#[tokio::test(start_paused = true)]
async fn suppressed_lines_are_reported_after_the_interval() {
    let throttle = Throttle::new(1, TEN);
    assert_eq!(throttle.allow("a"), Some(0));
    assert!((0..5).all(|_| throttle.allow("a").is_none()));
    tokio::time::sleep(TEN + Duration::from_secs(1)).await;
    // The report took the count, and was a line itself.
    assert_eq!(throttle.allow("a"), None);
    tokio::time::sleep(2 * TEN).await;
    assert_eq!(throttle.allow("a"), Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_throttle_leaves_no_task() {
    let throttle = Throttle::new(1, TEN);
    assert_eq!((throttle.allow("a"), throttle.allow("a")), (Some(0), None));
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(tasks(), 1);
    drop(throttle);
    tokio::task::yield_now().await;
    assert_eq!(tasks(), 0);
}

proptest! {
    #[test]
    fn lines_and_reports_add_up(steps in prop::collection::vec(0_u64..4000, 1..200), lines in 1_u32..5) {
        let (throttle, start) = (Throttle::new(lines, TEN), Instant::now());
        let (mut at, mut written, mut reported) = (0, 0_u64, 0);
        for step in &steps {
            at += step;
            if let Some(suppressed) = allow(&throttle, "a", start + Duration::from_millis(at)) {
                written += 1;
                reported += suppressed;
            }
        }
        let rest: u64 = throttle.0.kinds().iter_mut().map(|(_, window)| window.end(None)).sum();
        prop_assert_eq!(written + reported + rest, steps.len() as u64);
        prop_assert!(written <= u64::from(lines) * (at / 10_000 + 1));
    }
}

/// Files that may log without a throttle, because no client and no peer can repeat their lines.
const EXEMPT: &[(&str, &str)] = &[
    ("app/start/", "each line once, at start"),
    ("app/signals.rs", "each line once, at start"),
    ("app/stop.rs", "each line once, at the end"),
    ("app/watch.rs", "each line once, at start"),
    ("lifecycle.rs", "each step of a stop once"),
    ("module/", "the application's own modules and programs"),
    ("testing/", "not in production"),
    ("cluster/memory/", "the in-memory broker, for tests"),
    ("client/schema_check.rs", "once for each builder of a client"),
    ("cluster/node.rs", "once, in a drain"),
    ("cluster/etcd/mod.rs", "once, at the end"),
    ("etcd/connection.rs", "once for each connection to etcd"),
    ("cluster/etcd/machine.rs", "once for each loss of etcd"),
    ("cluster/nats/supervisor.rs", "once for each try to connect to the broker, after a pause"),
    ("otel/mod.rs", "the stop"),
    ("util/throttle.rs", "the throttle itself"),
];

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let root = concat!(env!("CARGO_MANIFEST_DIR"), "/src/");
            let name = path.to_string_lossy().replace('\\', "/");
            found.push((name.trim_start_matches(root).to_owned(), fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The lines of a source that log at warn or above without a throttle, by their numbers.
fn bare_lines(source: &str) -> Vec<usize> {
    let bare = ["warn!(", "error!("];
    let code = source.lines();
    code.enumerate()
        .filter(|(_, line)| {
            let line = line.split("//").next().unwrap_or_default();
            bare.iter().any(|name| {
                line.match_indices(name).any(|(at, _)| {
                    let before = line[..at].strip_suffix("tracing::").unwrap_or(&line[..at]);
                    !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
                })
            })
        })
        .map(|(at, _)| at + 1)
        .collect()
}

#[test]
fn no_bare_line_is_reachable_by_strangers() {
    let mut found = Vec::new();
    sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut found);
    let mut bare = Vec::new();
    for (name, source) in &found {
        if name.ends_with("tests.rs") || EXEMPT.iter().any(|(exempt, _)| name.starts_with(exempt)) {
            continue;
        }
        bare.extend(bare_lines(source).into_iter().map(|line| format!("{name}:{line}")));
    }
    assert!(
        bare.is_empty(),
        "write these lines with `throttled!`, or exempt the file if neither a client nor a peer can repeat them: {bare:?}"
    );
    // The check finds what it is meant to find.
    assert_eq!(
        bare_lines("a\n    tracing::warn!(\n  Err(e) => error!(\"x\"),\n// tracing::warn!(x)"),
        [2, 3]
    );
    for (exempt, _) in EXEMPT {
        assert!(found.iter().any(|(name, _)| name.starts_with(exempt)), "{exempt} has gone");
    }
}
