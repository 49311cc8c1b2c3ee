//! `cargo xtask fuzz`: builds the fuzz targets with the stable compiler and runs them.
//!
//! The flags are those of `cargo fuzz --sanitizer none`. So neither that program nor a nightly compiler is needed. There
//! is no unsafe code that a sanitizer would watch.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::bench::target_directory;
use crate::test::TESTS;
use crate::{cargo, parallel, root, run};

const USAGE: &str = "cargo xtask fuzz [--quick | --seconds N] [TARGET]...";

/// Seconds for each target with `--quick`, and without.
const QUICK: u64 = 10;
const USUAL: u64 = 60;
/// Seconds for each target in CI: enough to read all seeds and to show that each target works.
const CI: u64 = 4;

/// Seconds after which one input counts as a hang, and the most memory, in MiB.
const TIMEOUT: u64 = 10;
const MEMORY: u64 = 1024;
/// The longest input that is made up, in bytes.
const LONGEST: u64 = 8192;

const FLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "--cfg=fuzzing",
];

pub(crate) fn main(args: &[String]) -> ExitCode {
    let parsed = match parse(args) {
        Ok(parsed) => parsed,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut seeds = cargo();
    seeds.args(["run", "--quiet", "--package", "pitaya-readers", "--bin", "seeds", "--"]);
    match fuzz(&parsed, &mut seeds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all targets for [`CI`] seconds each, with the seeds that the program of the step `tests` writes.
pub(crate) fn in_ci() -> Result<(), String> {
    run(cargo().args(TESTS).arg("--no-run"))?;
    fuzz(
        &Args { seconds: CI, targets: Vec::new() },
        &mut Command::new(target_directory()?.join("debug/seeds")),
    )
}

#[derive(Debug, PartialEq)]
struct Args {
    seconds: u64,
    /// None are all.
    targets: Vec<String>,
}

fn parse(args: &[String]) -> Result<Args, String> {
    let mut parsed = Args { seconds: USUAL, targets: Vec::new() };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--quick" => parsed.seconds = QUICK,
            "--seconds" => {
                let seconds =
                    args.next().and_then(|seconds| seconds.parse().ok()).filter(|seconds| *seconds > 0);
                parsed.seconds = seconds.ok_or("--seconds takes a number of at least 1")?;
            }
            flag if flag.starts_with('-') => return Err(format!("unknown argument {flag}")),
            target => parsed.targets.push(target.to_owned()),
        }
    }
    Ok(parsed)
}

/// Builds the chosen targets and runs them. `seeds` is the program that writes the inputs to start from.
fn fuzz(args: &Args, seeds: &mut Command) -> Result<(), String> {
    let folder = root().join("fuzz");
    let all = targets(&folder)?;
    if let Some(unknown) = args.targets.iter().find(|target| !all.contains(target)) {
        return Err(format!("no fuzz target `{unknown}`; there are: {}", all.join(", ")));
    }
    let chosen = if args.targets.is_empty() { &all } else { &args.targets };
    let corpus = folder.join("corpus");
    run(seeds.args([root().join("tests/vectors"), corpus]))?;
    let programs = build(&folder)?;
    parallel::for_each(chosen.iter().collect(), parallel::processors(), |target| {
        run_target(&folder, &programs, target, args.seconds)
    })
}

/// The names of all targets.
fn targets(folder: &Path) -> Result<Vec<String>, String> {
    let sources = folder.join("fuzz_targets");
    let listing = fs::read_dir(&sources).map_err(|error| format!("{}: {error}", sources.display()))?;
    let mut names: Vec<_> =
        listing.filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}

/// Builds all targets; returns the folder of the programs.
fn build(folder: &Path) -> Result<PathBuf, String> {
    let host = host()?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or(folder.join("target"), |dir| PathBuf::from(dir).join("fuzz"));
    // With `--target`, the flags are for the targets alone, and not for build scripts and macros.
    run(cargo()
        .args(["build", "--release", "--locked", "--target", &host, "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}")))?;
    Ok(target.join(host).join("release"))
}

fn host() -> Result<String, String> {
    let output = Command::new("rustc").arg("-vV").output().map_err(|error| format!("rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc names no host".to_owned())
}

/// Runs one target and prints a line about it. Its findings are in `fuzz/artifacts`.
fn run_target(folder: &Path, programs: &Path, target: &str, seconds: u64) -> Result<(), String> {
    let made = |path: PathBuf| match fs::create_dir_all(&path) {
        Ok(()) => Ok(path),
        Err(error) => Err(format!("{}: {error}", path.display())),
    };
    let corpus = made(folder.join("corpus").join(target))?;
    let artifacts = made(folder.join("artifacts").join(target))?;
    let log = artifacts.join("log");
    let output = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
    let status = Command::new(programs.join(target))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={TIMEOUT}"))
        .arg(format!("-rss_limit_mb={MEMORY}"))
        .arg(format!("-max_len={LONGEST}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg("-print_final_stats=1")
        .arg(&corpus)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(output)
        .status()
        .map_err(|error| format!("{target}: {error}"))?;
    let text = fs::read(&log).map_err(|error| format!("{}: {error}", log.display()))?;
    let text = String::from_utf8_lossy(&text);
    let inputs = executed(&text).unwrap_or_else(|| "?".to_owned());
    if status.success() {
        eprintln!("{target}: {inputs} inputs in {seconds} s, no failure");
        return Ok(());
    }
    let why =
        text.lines().find(|line| line.contains("panicked") || line.contains("ERROR")).unwrap_or("no message");
    eprintln!("{target}: {inputs} inputs, FAILED: {why}");
    Err(format!("{target} failed: {why}\n  see {}", log.display()))
}

/// The number of inputs in libFuzzer's final statistics.
fn executed(log: &str) -> Option<String> {
    let line = log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    Some(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Args, String> {
        parse(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_are_a_time_and_targets() {
        assert_eq!(parsed(&[]).unwrap(), Args { seconds: USUAL, targets: vec![] });
        assert_eq!(parsed(&["--quick"]).unwrap().seconds, QUICK);
        let some = parsed(&["zlib", "--seconds", "5", "packets"]).unwrap();
        assert_eq!(some, Args { seconds: 5, targets: vec!["zlib".into(), "packets".into()] });
        for bad in [&["--seconds"][..], &["--seconds", "0"], &["--seconds", "x"], &["--slow"]] {
            assert!(parsed(bad).is_err(), "{bad:?}");
        }
    }

    /// The step `fuzz` takes minutes to say so.
    #[test]
    fn lock_file_of_the_targets_is_current() {
        let mut metadata = cargo();
        metadata.args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--manifest-path",
            "fuzz/Cargo.toml",
        ]);
        let output = metadata.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn the_number_of_inputs_is_read_from_the_log() {
        assert_eq!(executed("x\nstat::number_of_executed_units: 4711\ny").as_deref(), Some("4711"));
        assert_eq!(executed("nothing"), None);
    }
}
