//! The golden vectors of the two protocols: finding, reading, running and reporting them.
//!
//! A test hands [`run`] the name of a kind and a check for one entry. The file alone decides what is run: a new entry of a known
//! kind is a new case. An unknown kind, a known kind without entries and an entry that compared nothing are failures, and each
//! failure names its entry. Kinds that no test can run yet are on the list of those [awaited](Suite::awaited), and are counted.
//! Each test file hands [`complete`] its tests by kind: it runs them, and fails for a kind that was not run or asserted nothing.
//!
//! The folder is `tests/vectors/`, or the one that `PITAYA_VECTORS` names.

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

mod case;

pub use case::{Case, Checked, hex, same_json, to_hex};

/// A kind of vectors and the test file of this package that runs it.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The key in the file.
    pub name: &'static str,
    /// The file's stem: `tests/{home}.rs` calls [`run`] with this kind's name in quotes.
    pub home: &'static str,
}

const fn kind(name: &'static str, home: &'static str) -> Kind {
    Kind { name, home }
}

/// The vectors of one protocol.
#[derive(Clone, Copy, Debug)]
pub struct Suite {
    /// The beginnings of the names of its files. The first suite of [`SUITES`] that fits has a file.
    pub files: &'static str,
    /// The kinds that are run. A key of the files that is neither here nor awaited is a failure.
    pub kinds: &'static [Kind],
    /// Kinds that no test runs yet, and what they wait for.
    pub awaited: &'static [(&'static str, &'static str)],
}

/// Every suite.
pub const SUITES: [&Suite; 2] = [&CLUSTER, &CLIENT];

/// The messages between servers.
pub const CLUSTER: Suite = Suite {
    files: "cluster",
    kinds: &[
        kind("protobuf", "cluster_vectors"),
        kind("recorded_from_go", "cluster_vectors"),
        kind("strings", "cluster_vectors"),
        kind("go_duration_format", "cluster_vectors"),
        kind("go_duration_parse", "cluster_vectors"),
        kind("go_route_decode", "cluster_vectors"),
        kind("go_server_json", "cluster_vectors"),
        kind("go_server_json_parse", "cluster_vectors"),
        kind("go_metadata_encode", "cluster_vectors"),
        kind("go_json_number_after_one_hop", "cluster_vectors"),
        kind("grpc_address_choice", "cluster_vectors"),
        kind("go_answers", "answer_vectors"),
        kind("redis_keys", "worker_vectors"),
        kind("redis_jobs", "worker_vectors"),
        kind("retry_delay", "worker_vectors"),
    ],
    awaited: &[],
};

/// The messages between a client and a server.
pub const CLIENT: Suite = Suite { files: "", kinds: CLIENT_KINDS, awaited: &[] };

const CLIENT_KINDS: &[Kind] = &[
    kind("packet_decode", "wire_vectors"),
    kind("packet_encode", "wire_vectors"),
    kind("tcp_stream", "wire_vectors"),
    kind("ws_message", "wire_vectors"),
    kind("message_decode", "wire_vectors"),
    kind("message_encode", "wire_vectors"),
    kind("compression", "wire_vectors"),
    kind("is_compressed_magic", "wire_vectors"),
    kind("handshake_response", "wire_vectors"),
    kind("handshake_request", "wire_vectors"),
    kind("route_decode", "route_vectors"),
    kind("error_payload", "conversation_vectors"),
    kind("rate_limit", "rate_limit_vectors"),
    kind("conversation", "conversation_vectors"),
    kind("heartbeat_drop", "conversation_vectors"),
];

/// Keys of the files that say what the vectors are.
const NOTES: [&str; 3] = ["meta", "about", "proto_check"];

/// The folder that the vectors are read from.
#[must_use]
pub fn folder() -> PathBuf {
    std::env::var_os("PITAYA_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors"), PathBuf::from)
}

/// Every kind of every `*.json` file of a suite with its entries, notes left out. A kind whose entries come in parts is one list:
/// each entry then names its part in `of`, and one that is but a text has it in `text`.
///
/// # Panics
/// If there is no such file, or a kind of one has no entries in any of these forms.
#[must_use]
pub fn load(suite: &Suite) -> Map<String, Value> {
    let mut all = Map::new();
    for (file, read) in read(suite) {
        for (kind, entries) in read.into_iter().filter(|(kind, _)| !NOTES.contains(&kind.as_str())) {
            let entries = match entries {
                Value::Array(entries) => entries,
                Value::Object(parts) => {
                    parts.into_iter().flat_map(|(of, entries)| part(&of, entries)).collect()
                }
                _ => panic!("vectors: {kind} in {} is not an array", file.display()),
            };
            match all.entry(kind).or_insert_with(|| Value::Array(Vec::new())) {
                Value::Array(known) => known.extend(entries),
                _ => unreachable!("only arrays go in"),
            }
        }
    }
    all
}

/// The notes of a suite's files.
///
/// # Panics
/// If there is no such file.
#[must_use]
pub fn load_notes(suite: &Suite) -> Map<String, Value> {
    let files = read(suite).into_iter().flat_map(|(_, read)| read);
    files.filter(|(name, _)| NOTES.contains(&name.as_str())).collect()
}

/// The files of a suite.
fn read(suite: &Suite) -> Vec<(PathBuf, Map<String, Value>)> {
    let folder = folder();
    let listing = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("vectors: cannot list {}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = listing
        .map(|entry| entry.expect("vectors: a folder entry").path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let of = SUITES.iter().find(|suite| name.starts_with(suite.files));
            name.ends_with(".json") && of.is_some_and(|of| of.files == suite.files)
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "vectors: no file {}*.json in {}", suite.files, folder.display());
    let read = |file: PathBuf| {
        let text =
            std::fs::read(&file).unwrap_or_else(|e| panic!("vectors: cannot read {}: {e}", file.display()));
        let read = serde_json::from_slice(&text)
            .unwrap_or_else(|e| panic!("vectors: {} is not an object: {e}", file.display()));
        (file, read)
    };
    files.into_iter().map(read).collect()
}

/// The entries of one part of a kind.
fn part(of: &str, entries: Value) -> Vec<Value> {
    let Value::Array(entries) = entries else { panic!("vectors: the part {of} is not an array") };
    let named = |entry| match entry {
        Value::Object(mut entry) => {
            entry.insert("of".to_owned(), of.into());
            Value::Object(entry)
        }
        text => serde_json::json!({ "of": of, "text": text }),
    };
    entries.into_iter().map(named).collect()
}

/// Runs `check` for every entry of a kind and prints how many there were.
///
/// # Panics
/// With every failure by name, if a check fails or panics, compares nothing, or the kind has no entries; and if no suite has the
/// kind.
pub fn run(kind: &str, check: impl Fn(&Case<'_>) -> Checked) {
    let suite = SUITES.into_iter().find(|suite| suite.kinds.iter().any(|known| known.name == kind));
    let all = load(suite.unwrap_or_else(|| panic!("vectors: no suite has the kind {kind}")));
    let entries = all.get(kind).and_then(Value::as_array);
    let (done, failures) = run_entries(kind, entries.map_or(&[][..], Vec::as_slice), check);
    let Done { cases, compared } = done;
    if !RAN.with_borrow_mut(|ran| ran.as_mut().map(|ran| ran.push((kind.to_owned(), compared))).is_some()) {
        // Written past the test harness, which keeps what a passing test prints to itself.
        let _ = writeln!(std::io::stderr(), "vectors: {kind}: {cases} cases, {compared} comparisons");
    }
    assert!(failures.is_empty(), "{} of {kind} failed:\n{}", failures.len(), failures.join("\n"));
}

thread_local! {
    /// The kinds that were run and how much they compared, while [`complete`] wants to know.
    static RAN: RefCell<Option<Vec<(String, usize)>>> = const { RefCell::new(None) };
}

/// The result of running a kind.
struct Done {
    cases: usize,
    compared: usize,
}

fn run_entries(kind: &str, entries: &[Value], check: impl Fn(&Case<'_>) -> Checked) -> (Done, Vec<String>) {
    let (mut failures, mut compared) = (Vec::new(), 0);
    for (number, entry) in entries.iter().enumerate() {
        let case = Case::new(kind, number, entry);
        let outcome = catch_unwind(AssertUnwindSafe(|| check(&case)))
            .unwrap_or_else(|panic| Err(format!("panicked: {}", panic_text(&*panic))));
        match outcome {
            Ok(()) if case.compared() == 0 => failures.push(format!("{case}: compared nothing")),
            Ok(()) => {}
            Err(why) => failures.push(format!("{case}: {why}")),
        }
        compared += case.compared();
    }
    if entries.is_empty() {
        failures.push(format!("{kind}: no entries, so nothing was compared"));
    }
    (Done { cases: entries.len(), compared }, failures)
}

/// A test of this package, by the kind that it runs.
pub type Test = (&'static str, fn());

/// Runs the tests of one file and looks that every kind of vectors in the files is handled: by one of these tests, or by
/// those of another file.
///
/// # Panics
/// With the name of each kind that no code handles, that has its home here and is not run, or whose test asserts nothing
/// of it.
pub fn complete(home: &str, tests: &[Test]) {
    let names: Vec<String> =
        SUITES.into_iter().flat_map(|suite| load(suite).into_iter()).map(|(name, _)| name).collect();
    let wrong = incomplete(home, tests, &names);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn incomplete(home: &str, tests: &[Test], names: &[String]) -> Vec<String> {
    let known = |name: &str| SUITES.into_iter().flat_map(|suite| suite.kinds).find(|kind| kind.name == name);
    let awaited = |name: &str| SUITES.into_iter().flat_map(|suite| suite.awaited).any(|kind| kind.0 == name);
    let mut wrong = Vec::new();
    for name in names {
        match known(name) {
            None if !awaited(name) => wrong.push(format!("{name}: no code handles this kind")),
            Some(kind) if kind.home == home && tests.iter().all(|test| test.0 != name) => {
                wrong.push(format!("{name}: tests/{home}.rs does not run it"));
            }
            _ => {}
        }
    }
    for (name, test) in tests {
        if known(name).is_none_or(|kind| kind.home != home) {
            wrong.push(format!("{name}: its home is not tests/{home}.rs"));
        }
        RAN.set(Some(Vec::new()));
        let passed = catch_unwind(test);
        let ran = RAN.take().unwrap_or_default();
        if passed.is_err() {
            wrong.push(format!("{name}: its test fails"));
        } else if !ran.iter().any(|(kind, compared)| kind == name && *compared > 0) {
            wrong.push(format!("{name}: its test asserts nothing of it"));
        }
    }
    wrong
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no text")
}

/// Returns the kinds in the files of a suite that are unknown, and those that no test runs. Awaited kinds are printed with
/// their number, so that none is silently skipped.
#[must_use]
pub fn unclaimed(suite: &Suite, all: &Map<String, Value>) -> Vec<String> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut wrong = Vec::new();
    for (name, entries) in all {
        let awaited = suite.awaited.iter().find(|(awaited, _)| awaited == name);
        if let Some((_, what)) = awaited {
            let cases = entries.as_array().map_or(0, Vec::len);
            let _ = writeln!(std::io::stderr(), "vectors: {name}: {cases} cases await {what}");
        } else if suite.kinds.iter().all(|kind| kind.name != name) {
            wrong.push(format!("{name}: no test knows this kind"));
        }
    }
    for Kind { name, home } in suite.kinds {
        let source = std::fs::read_to_string(tests.join(home).with_extension("rs"));
        if !source.is_ok_and(|text| text.contains(&format!("\"{name}\""))) {
            wrong.push(format!("{name}: tests/{home}.rs does not run it"));
        }
    }
    wrong
}

/// Counts the comparisons of one entry.
#[derive(Debug, Default)]
struct Count(Cell<usize>);

impl Count {
    fn same<T: PartialEq + Debug>(&self, what: &str, got: &T, want: &T) -> Checked {
        self.0.set(self.0.get() + 1);
        if got == want { Ok(()) } else { Err(format!("{what}: got {got:?}, want {want:?}")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn failures(entries: Value, check: impl Fn(&Case<'_>) -> Checked) -> Vec<String> {
        run_entries("k", entries.as_array().expect("entries"), check).1
    }

    /// A failure, a panic and a check that asserts nothing.
    #[test]
    fn each_failure_names_its_entry() {
        let entries = json!([{"name": "good"}, {"name": "bad"}, {"route": "r"}, {"name": "idle"}]);
        let failed = failures(entries, |case| match case.name().as_str() {
            "good" => case.same("it", &1, &1),
            "bad" => case.same("it", &1, &2),
            "idle" => Ok(()),
            other => panic!("oh: {other}"),
        });
        assert_eq!(
            failed,
            ["k/bad: it: got 1, want 2", "k/#2 (r): panicked: oh: #2 (r)", "k/idle: compared nothing"]
        );
    }

    #[test]
    fn a_kind_without_entries_is_a_failure() {
        let failed = failures(json!([]), |_| Ok(()));
        assert_eq!(failed, ["k: no entries, so nothing was compared"]);
    }

    #[test]
    fn a_kind_nobody_knows_is_a_failure() {
        for suite in SUITES {
            let mut all = load(suite);
            all.insert("news".to_owned(), json!([]));
            assert_eq!(unclaimed(suite, &all), ["news: no test knows this kind"]);
        }
    }

    #[test]
    fn a_known_kind_that_no_test_runs_is_a_failure() {
        const NEWS: &[Kind] = &[kind("news", "cluster_vectors")];
        let suite = Suite { files: "cluster", kinds: NEWS, awaited: &[] };
        assert_eq!(unclaimed(&suite, &Map::new()), ["news: tests/cluster_vectors.rs does not run it"]);
    }

    #[test]
    fn skipped_vector_kinds_are_named() {
        fn good() {
            run("route_decode", |case| case.holds("it", true));
        }
        fn bad() {
            run("route_decode", |case| case.holds("it", false));
        }
        fn idle() {}
        fn another() {
            run("tcp_stream", |case| case.holds("it", true));
        }
        let names = ["route_decode", "tcp_stream", "redis_keys", "news"].map(str::to_owned);
        let unknown = "news: no code handles this kind";
        let of = |home, tests: &[Test]| incomplete(home, tests, &names);
        assert_eq!(of("route_vectors", &[("route_decode", good)]), [unknown]);
        assert_eq!(
            of("route_vectors", &[]),
            ["route_decode: tests/route_vectors.rs does not run it", unknown]
        );
        assert_eq!(of("route_vectors", &[("route_decode", bad)]), [unknown, "route_decode: its test fails"]);
        for test in [idle, another] {
            let nothing = "route_decode: its test asserts nothing of it";
            assert_eq!(of("route_vectors", &[("route_decode", test)]), [unknown, nothing]);
        }
        let elsewhere = "route_decode: its home is not tests/rate_limit_vectors.rs";
        assert_eq!(of("rate_limit_vectors", &[("route_decode", good)]), [unknown, elsewhere]);
    }

    #[test]
    fn entries_in_parts_name_their_part() {
        assert_eq!(
            part("p", json!([{"a": 1}, "t"])),
            [json!({"a": 1, "of": "p"}), json!({"of": "p", "text": "t"})]
        );
    }
}
