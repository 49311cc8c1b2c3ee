//! `cargo xtask test`: runs everything that CI runs. It installs the programs that the tests need, or says which.

mod javascript;
mod needs;
mod portable;
mod programs;
mod timing;

use std::process::ExitCode;

use crate::{bench, cargo, fuzz, parallel, phrases, run};
pub(crate) use needs::works;
use timing::Timings;

const USAGE: &str = "\
cargo xtask test [--quick | STEP]
  --quick   only the steps that need no server, no browser and no fuzzing; tests that need one are shown as ignored";

/// The features of the framework, each of which must build alone. Without `nats-creds`, which is `nats` and a feature of
/// a dependency.
const FEATURES: &[&str] = &[
    "",
    "websocket",
    "tls",
    "garde",
    "testing",
    "http",
    "prometheus",
    "statsd",
    "worker",
    "nats",
    "etcd",
    "cluster",
    "grpc",
    "otel",
];

/// The integration tests that run with the features of `pitaya-unified` too: macros, every serializer, clients, and bytes
/// recorded from Go Pitaya.
const UNIFIED: &[&str] = &[
    "macros",
    "shapes",
    "serializers",
    "e2e",
    "sessions",
    "client",
    "conversation_vectors",
    "wire_vectors",
    "answer_vectors",
];

/// The arguments of cargo for all tests but doctests. One command builds them all, so that each dependency is built
/// once.
pub(crate) const TESTS: &[&str] = &[
    "test",
    "--workspace",
    "--all-features",
    "--all-targets",
    "--exclude",
    "pitaya-bench",
    "--exclude",
    "pitaya-unified",
];

/// When a step runs.
#[derive(Clone, Copy, PartialEq)]
enum When {
    Always,
    /// Without `--quick`.
    Full,
    /// With `--quick`.
    Quick,
}

/// A part of `cargo xtask test`.
struct Step {
    name: &'static str,
    when: When,
    run: fn() -> Result<(), String>,
}

const fn step(name: &'static str, when: When, run: fn() -> Result<(), String>) -> Step {
    Step { name, when, run }
}

/// All steps, in the order in which they run: first those that only check, because they share what they build.
///
/// Steps in one list run side by side, because each of them has long parts with one thread. Those that need the same
/// folder of cargo wait for each other. Tests that watch the time run alone.
const STEPS: &[&[Step]] = &[
    &[step("needs", When::Full, needs::needs)],
    &[
        step("format", When::Always, || run(cargo().args(["fmt", "--all", "--check"]))),
        step("phrases", When::Always, phrases::check),
        step("portable", When::Full, portable::portable),
        step("package", When::Full, package),
    ],
    &[
        step("clippy", When::Always, clippy),
        step("docs", When::Full, docs),
        step("features", When::Full, features),
    ],
    &[
        step("tests", When::Full, || programs::run(TESTS, &["--include-ignored"])),
        step("tests", When::Quick, || programs::run(TESTS, &[])),
    ],
    &[step("doctests", When::Full, doctests), step("unified", When::Full, unified)],
    &[step("instructions", When::Full, bench::instructions_in_ci), step("fuzz", When::Full, fuzz::in_ci)],
    &[step("javascript", When::Full, javascript::javascript)],
];

/// Runs all steps, those of `--quick`, or one. It stops after the first list with a failed step, and prints how long each
/// step took.
pub(crate) fn main(args: &[String]) -> ExitCode {
    let arg = args.first().map(String::as_str);
    let not_now = if arg == Some("--quick") { When::Full } else { When::Quick };
    let only = arg.filter(|arg| *arg != "--quick");
    let chosen = |step: &&'static Step| step.when != not_now && only.is_none_or(|only| only == step.name);
    let groups: Vec<Vec<_>> = STEPS.iter().map(|group| group.iter().filter(chosen).collect()).collect();
    if groups.iter().all(Vec::is_empty) || args.len() > 1 {
        let names: Vec<_> = STEPS.iter().copied().flatten().map(|step| step.name).collect();
        eprintln!("{USAGE}\n  STEP      one of {}", names.join(", "));
        return ExitCode::from(2);
    }
    let timings = Timings::start();
    for group in groups {
        let width = group.len();
        let result = parallel::for_each(group, width, |step| {
            eprintln!("== {}", step.name);
            let result = timings.time(step.name, step.run);
            result.map_err(|error| format!("== {} failed: {error}", step.name))
        });
        if let Err(error) = result {
            eprintln!("{}\n{error}", timings.table());
            return ExitCode::FAILURE;
        }
    }
    eprintln!("{}\n== all is well", timings.table());
    ExitCode::SUCCESS
}

fn clippy() -> Result<(), String> {
    run(cargo()
        .args(["clippy", "--workspace", "--exclude", "pitaya-unified", "--all-targets", "--all-features"])
        .args(["--", "-D", "warnings"]))
}

fn docs() -> Result<(), String> {
    run(cargo()
        .args(["doc", "--workspace", "--exclude", "pitaya-unified", "--no-deps", "--all-features"])
        .env("RUSTDOCFLAGS", "-D warnings"))
}

/// Checks the framework with each feature alone, and with none; and the chat as newcomers start it, without `protoc`.
/// It has a folder of its own, so that it need not wait for the other steps that check.
fn features() -> Result<(), String> {
    let target = bench::target_directory()?.join("features");
    let check = |args: &[&str]| {
        let mut check = cargo();
        check.arg("check").args(args).arg("--target-dir").arg(&target).env("RUSTFLAGS", "-D warnings");
        check
    };
    for feature in FEATURES {
        run(&mut check(&["-p", "pitaya", "--no-default-features", "--features", feature]))?;
    }
    run(check(&["-p", "chat"]).env("PROTOC", "not-to-be-asked-for"))
}

/// Packs the published crates. They are not compiled again, because the files are the same.
fn package() -> Result<(), String> {
    run(cargo().args(["package", "--allow-dirty", "--no-verify"]).args([
        "-p",
        "pitaya-duration",
        "-p",
        "pitaya-schema",
        "-p",
        "pitaya-cli",
        "-p",
        "pitaya-macros-core",
        "-p",
        "pitaya-macros",
        "-p",
        "pitaya",
    ]))
}

/// Runs all examples in the docs. The packages are those of the step `tests`, so that nothing is built again.
fn doctests() -> Result<(), String> {
    let all = TESTS.iter().map(|arg| if *arg == "--all-targets" { "--doc" } else { arg });
    run(cargo().args(all).arg("--no-fail-fast"))
}

/// Runs the library's tests, and those of [`UNIFIED`], with the features of `pitaya-unified`. One command builds all of
/// it, so that each dependency is built once.
fn unified() -> Result<(), String> {
    let packages = ["-p", "pitaya", "-p", "pitaya-tests", "-p", "pitaya-unified"];
    let mut args = [&["test"], &packages[..], &["--all-features", "--lib"]].concat();
    args.extend(UNIFIED.iter().flat_map(|test| ["--test", test]));
    programs::run(&args, &["--include-ignored"])
}
