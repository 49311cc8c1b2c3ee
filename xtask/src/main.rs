//! The tasks of a developer of this repository besides building it: `cargo xtask …`.

mod bench;
mod fuzz;
mod names;
mod parallel;
mod phrases;
mod promises;
mod protos;
mod test;
mod up;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

const USAGE: &str = "\
cargo xtask test [STEP]   everything that CI runs, or one step of it; `--quick`: no servers, no browser, no fuzzing
cargo xtask phrases       refuses phrases that readers have to solve, and long names of tests
cargo xtask promises      every test that tests/PROMISES.md names
cargo xtask protos        regenerates the code of docs/pitaya.proto
cargo xtask fuzz          feeds every function that reads what strangers send; `--quick`: 10 s each
cargo xtask up            starts NATS and etcd, for clusters on this machine
cargo xtask bench         measures; `bench cluster`, `bench instructions`: see benches/README.md";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("test") => test::main(&args[1..]),
        Some("bench") => bench::main(&args[1..]),
        Some("fuzz") => fuzz::main(&args[1..]),
        Some("phrases") => phrases::main(),
        Some("promises") => promises::main(),
        Some("protos") => protos::main(),
        Some("up") => up::main(),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// The repository.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

/// The cargo that runs us, in the repository.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    // `cargo run` describes this program in these. A build script that reads them would run again for each side.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    if std::env::var_os("CI").is_some() {
        // A new machine builds everything once: data for the next build and for debuggers takes time and gigabytes.
        command.env("CARGO_INCREMENTAL", "0");
        for profile in ["DEV", "TEST", "RELEASE"] {
            command.env(format!("CARGO_PROFILE_{profile}_DEBUG"), "0");
        }
    }
    command
}

/// Runs a command with its output shown.
fn run(command: &mut Command) -> Result<(), String> {
    let status =
        command.status().map_err(|error| format!("{}: {error}", command.get_program().to_string_lossy()))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{} ended with {status}", command.get_program().to_string_lossy()))
    }
}
