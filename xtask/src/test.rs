//! `cargo xtask test`: runs everything that CI runs. It installs the programs that the tests need, or says which.

mod javascript;
mod needs;
mod portable;
mod programs;
mod timing;

use std::process::ExitCode;

use crate::{bench, cargo, fuzz, parallel, phrases, run};
pub(crate) use needs::works;
use timing::Timing;

const USAGE: &str = "\
cargo xtask test [--quick | STEP]
  --quick   only the steps that need no server, no browser and no fuzzing; tests that need one are shown as ignored";

/// The features of the framework, each of which must build alone, in two lists that take about equally long. Without
/// `nats-creds`, which is `nats` and a feature of a dependency.
const FEATURES: [&[&str]; 2] = [
    &["", "websocket", "tls", "garde", "testing", "http", "prometheus", "statsd", "worker"],
    &["nats", "etcd", "cluster", "grpc", "otel"],
];

/// The integration tests that run with the features of `pitaya-unified` too: macros, every serializer, clients, and bytes
/// recorded from Go Pitaya.
const UNIFIED: &[&str] = &[
    "macros",
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
const STEPS: &[Step] = &[
    step("needs", When::Full, needs::needs),
    step("format", When::Always, || run(cargo().args(["fmt", "--all", "--check"]))),
    step("phrases", When::Always, phrases::check),
    step("clippy", When::Always, clippy),
    step("docs", When::Full, docs),
    step("features", When::Full, features),
    step("portable", When::Full, portable::portable),
    step("package", When::Full, package),
    step("tests", When::Full, || programs::run(TESTS, &["--include-ignored"])),
    step("tests", When::Quick, || programs::run(TESTS, &[])),
    step("doctests", When::Full, doctests),
    step("unified", When::Full, unified),
    step("instructions", When::Full, bench::instructions_in_ci),
    step("fuzz", When::Full, fuzz::in_ci),
    step("javascript", When::Full, javascript::javascript),
];

/// Runs all steps, those of `--quick`, or one. It stops at the first that fails, and prints how long each took.
pub(crate) fn main(args: &[String]) -> ExitCode {
    let arg = args.first().map(String::as_str);
    let not_now = if arg == Some("--quick") { When::Full } else { When::Quick };
    let only = arg.filter(|arg| *arg != "--quick");
    let chosen = STEPS.iter().filter(|step| step.when != not_now);
    let chosen: Vec<_> = chosen.filter(|step| only.is_none_or(|only| only == step.name)).collect();
    if chosen.is_empty() || args.len() > 1 {
        let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        eprintln!("{USAGE}\n  STEP      one of {}", names.join(", "));
        return ExitCode::from(2);
    }
    let mut timings = Vec::new();
    for step in chosen {
        eprintln!("== {}", step.name);
        let timing = Timing::start(step.name);
        let result = (step.run)();
        timings.push(timing.stop());
        if let Err(error) = result {
            eprintln!("{}\n== {} failed: {error}", timing::table(&timings), step.name);
            return ExitCode::FAILURE;
        }
    }
    eprintln!("{}\n== all is well", timing::table(&timings));
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
/// The compiler checks a crate in one thread, so both lists are checked side by side, each in a folder of its own.
fn features() -> Result<(), String> {
    let target = bench::target_directory()?;
    parallel::for_each(FEATURES.iter().enumerate().collect(), FEATURES.len(), |(list, features)| {
        features.iter().try_for_each(|feature| {
            let mut check = cargo();
            check.args(["check", "-p", "pitaya", "--no-default-features", "--features", feature]);
            check.env("RUSTFLAGS", "-D warnings");
            run(check.arg("--target-dir").arg(target.join(format!("features-{list}"))))
        })
    })?;
    run(cargo().args(["check", "-p", "chat"]).env("PROTOC", "not-to-be-asked-for"))
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

fn doctests() -> Result<(), String> {
    let all =
        ["test", "--workspace", "--exclude", "pitaya-unified", "--all-features", "--doc", "--no-fail-fast"];
    run(cargo().args(all))
}

/// Runs the library's tests, and those of [`UNIFIED`], with the features of `pitaya-unified`. One command builds all of
/// it, so that each dependency is built once.
fn unified() -> Result<(), String> {
    let packages = ["-p", "pitaya", "-p", "pitaya-tests", "-p", "pitaya-unified"];
    let mut args = [&["test"], &packages[..], &["--all-features", "--lib"]].concat();
    args.extend(UNIFIED.iter().flat_map(|test| ["--test", test]));
    programs::run(&args, &["--include-ignored"])
}
