//! The step `tests`: builds all test programs and runs several at a time, because most wait longer than they compute.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use super::TESTS;
use crate::{cargo, parallel};

/// How many programs run at a time for each processor.
const PER_PROCESSOR: usize = 2;

/// The programs that take longest. They start first, so that none of them runs alone at the end.
const LONGEST: &[&str] = &["ui", "outage_matrix", "cost", "process", "worker", "pitaya", "etcd", "outages"];

/// A test program of a package.
#[derive(Debug, PartialEq)]
struct Program {
    name: String,
    path: PathBuf,
    manifest: PathBuf,
}

/// Builds and runs the programs of [`TESTS`] with these arguments.
pub(super) fn run(args: &[&str]) -> Result<(), String> {
    let mut programs = build()?;
    programs.sort_by_key(|program| {
        LONGEST.iter().position(|name| *name == program.name).unwrap_or(LONGEST.len())
    });
    parallel::for_each(programs, PER_PROCESSOR * parallel::processors(), |program| {
        run_program(&program, args)
    })
}

fn build() -> Result<Vec<Program>, String> {
    let mut command = cargo();
    command.args(TESTS).args(["--no-run", "--message-format=json-render-diagnostics"]);
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
fn run_program(program: &Program, args: &[&str]) -> Result<(), String> {
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
}
