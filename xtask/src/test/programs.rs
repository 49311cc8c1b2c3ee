//! Builds test programs and runs a few at a time.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use serde_json::Value;

use crate::{cargo, parallel};

/// The programs that take longest. They start first, so that none of them runs alone at the end.
const LONGEST: &[&str] =
    &["ui", "cost", "outage_matrix", "process", "new", "worker", "etcd_outages", "outages", "pitaya"];

/// A test program of a package.
#[derive(Debug, PartialEq)]
struct Program {
    name: String,
    path: PathBuf,
    manifest: PathBuf,
}

/// Builds the programs that `cargo` with the arguments `build` would run, and runs them with `args`.
pub(super) fn run(build: &[&str], args: &[&str]) -> Result<(), String> {
    let mut programs = built(build)?;
    programs.sort_by_key(|program| {
        LONGEST.iter().position(|name| *name == program.name).unwrap_or(LONGEST.len())
    });
    let counts = Counts::default();
    let result = parallel::for_each(programs, parallel::processors() + 1, |program| {
        run_program(&program, args, &counts)
    });
    println!("{} passed, {} failed", counts.passed.load(Relaxed), counts.failed.load(Relaxed));
    result
}

/// The tests of all programs.
#[derive(Default)]
struct Counts {
    passed: AtomicU64,
    failed: AtomicU64,
}

impl Counts {
    /// Adds the counts of the last line of a test program.
    fn add(&self, result: &str) {
        let number = |word: &str| {
            let before = result.split(word).next()?;
            before.split_whitespace().next_back()?.parse::<u64>().ok()
        };
        self.passed.fetch_add(number(" passed").unwrap_or(0), Relaxed);
        self.failed.fetch_add(number(" failed").unwrap_or(0), Relaxed);
    }
}

fn built(args: &[&str]) -> Result<Vec<Program>, String> {
    let mut command = cargo();
    command.args(args).args(["--no-run", "--message-format=json-render-diagnostics"]);
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| format!("cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo ended with {}", output.status));
    }
    let programs: Vec<_> = String::from_utf8_lossy(&output.stdout).lines().filter_map(program).collect();
    if programs.is_empty() { Err("cargo named no test program".to_owned()) } else { Ok(programs) }
}

/// Reads a message of cargo. `None` if it is about something else than a test program.
fn program(message: &str) -> Option<Program> {
    let message: Value = serde_json::from_str(message).ok()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if message["profile"]["test"] != true {
        return None;
    }
    Some(Program {
        name: text(&message["target"]["name"])?,
        path: text(&message["executable"])?.into(),
        manifest: text(&message["manifest_path"])?.into(),
    })
}

/// Runs a program as `cargo test` does. Prints one line, and all output of a program that fails.
fn run_program(program: &Program, args: &[&str], counts: &Counts) -> Result<(), String> {
    let folder = program.manifest.parent().unwrap_or(Path::new("."));
    let start = Instant::now();
    let output = Command::new(&program.path)
        .args(args)
        .current_dir(folder)
        .env("CARGO_MANIFEST_DIR", folder)
        .env("CARGO_PKG_NAME", package(&program.manifest)?)
        .output()
        .map_err(|error| format!("{}: {error}", program.path.display()))?;
    let seconds = start.elapsed().as_secs_f64();
    let text = String::from_utf8_lossy(&output.stdout);
    let result = text.lines().rfind(|line| line.starts_with("test result: ")).unwrap_or("no result");
    counts.add(result);
    eprintln!(
        "{seconds:>6.1} s  {:<22} {}",
        program.name,
        result.split("; 0 measured").next().unwrap_or(result)
    );
    if output.status.success() {
        return Ok(());
    }
    eprintln!("{text}{}", String::from_utf8_lossy(&output.stderr));
    Err(format!("the tests of `{}` in {} failed", program.name, folder.display()))
}

/// The name of the package of a manifest.
fn package(manifest: &Path) -> Result<String, String> {
    let describe = |error: &dyn std::fmt::Display| format!("{}: {error}", manifest.display());
    let text = std::fs::read_to_string(manifest).map_err(|error| describe(&error))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| describe(&error))?;
    let name = table.get("package").and_then(|package| package.get("name")?.as_str());
    name.map(str::to_owned).ok_or_else(|| describe(&"no name of a package"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_counted() {
        let counts = Counts::default();
        counts.add("test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured");
        counts.add("test result: FAILED. 21 passed; 2 failed; 0 ignored; 0 measured");
        counts.add("no result");
        assert_eq!((counts.passed.into_inner(), counts.failed.into_inner()), (26, 2));
    }

    #[test]
    fn programs_are_read_from_messages_of_cargo() {
        let message = |test: bool, executable: Value| {
            serde_json::json!({
                "reason": "compiler-artifact",
                "manifest_path": "/it/tests/Cargo.toml",
                "target": { "name": "nats", "kind": ["test"] },
                "profile": { "test": test },
                "executable": executable,
            })
            .to_string()
        };
        let nats = Program {
            name: "nats".to_owned(),
            path: "/it/target/nats-1".into(),
            manifest: "/it/tests/Cargo.toml".into(),
        };
        assert_eq!(program(&message(true, "/it/target/nats-1".into())), Some(nats));
        assert_eq!(program(&message(false, "/it/target/nats-1".into())), None);
        assert_eq!(program(&message(true, Value::Null)), None);
        assert_eq!(program(r#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(program("no JSON"), None);
    }

    #[test]
    fn package_is_named_by_its_manifest() {
        assert_eq!(package(&crate::root().join("xtask/Cargo.toml")), Ok("xtask".to_owned()));
        assert!(package(&crate::root().join("Cargo.lock")).is_err());
    }

    /// Cargo builds no test program for a target with `test = false`, so tests in it would never run.
    #[test]
    fn targets_without_test_program_have_no_tests() {
        let mut metadata = cargo();
        metadata.args(["metadata", "--format-version", "1", "--no-deps"]);
        let metadata: Value = serde_json::from_slice(&metadata.output().unwrap().stdout).unwrap();
        let targets = metadata["packages"].as_array().unwrap().iter();
        let targets = targets.flat_map(|package| package["targets"].as_array().unwrap());
        let untested: Vec<_> = targets
            .filter(|target| target["test"] == false)
            .map(|target| Path::new(target["src_path"].as_str().unwrap()))
            .collect();
        assert!(untested.len() > 10, "{untested:?}");
        for source in untested {
            // The modules of a library are in its folder.
            let folder =
                std::fs::read_dir(source.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
            for file in folder.filter(|file| file == source || source.ends_with("lib.rs") && file.is_file()) {
                let text = std::fs::read_to_string(&file).unwrap();
                assert!(!text.contains("#[test]") && !text.contains("::test"), "{}", file.display());
            }
        }
    }
}
