//! `cargo xtask bench instructions`: counts the instructions that one operation costs, under callgrind.
//!
//! Times vary with the machine and with what else runs on it; instructions in user space hardly do. Each program is run
//! for N and for 2 N operations, and the difference is divided by N, so that starting, connecting and stopping cancel out.
//! The table in `benches/instructions.toml` keeps a row from growing unnoticed.

mod counted;
mod rows;
mod table;

use std::path::Path;
use std::process::ExitCode;

use super::{build, build_with};
use crate::test::works;
use rows::{ROWS, Row, Services};
use table::Table;

const USAGE: &str = "\
cargo xtask bench instructions [--only NAME]... [--write] [--list]
  --only NAME   only rows whose names contain NAME; may be given several times
  --write       writes the counts into benches/instructions.toml, and compares nothing
  --list        names the rows
It fails if a row costs over 5 % more than benches/instructions.toml says. It needs valgrind, nats-server and etcd.";

#[derive(Default)]
struct Options {
    only: Vec<String>,
    /// `only` has whole names.
    exact: bool,
    write: bool,
    list: bool,
}

impl Options {
    fn parse(args: &[String]) -> Option<Self> {
        let (mut options, mut args) = (Self::default(), args.iter());
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--only" => options.only.push(args.next()?.clone()),
                "--write" => options.write = true,
                "--list" => options.list = true,
                _ => return None,
            }
        }
        Some(options)
    }

    fn wants(&self, row: &Row) -> bool {
        let fits =
            |part: &String| if self.exact { row.name == part } else { row.name.contains(part.as_str()) };
        self.only.is_empty() || self.only.iter().any(fits)
    }
}

/// Counts the rows, prints the table, and compares it with the committed one.
pub(super) fn main(args: &[String]) -> ExitCode {
    let Some(options) = Options::parse(args) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if options.list {
        ROWS.iter().for_each(|row| println!("{}", row.name));
        return ExitCode::SUCCESS;
    }
    match build().and_then(|programs| count(&options, &programs)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("== bench instructions failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How CI builds the programs: without the cluster and traces, whose dependencies take longer to build than all rows to
/// count.
const CI_BUILD: [&str; 9] = [
    "--no-default-features",
    "--features",
    "exporters",
    "--bin",
    "bench-server",
    "--bin",
    "bench-load",
    "--bin",
    "bench-metrics",
];

/// The rows that CI counts. Most others need a cluster, and their counts vary by a few percent with the addresses at
/// which memory is allocated, and so between machines.
const CI: [&str; 9] = [
    "tcp-64x1",
    "json-64",
    "protobuf-64",
    "ws-64x1",
    "push",
    "metric-counter",
    "metric-gauge",
    "metric-summary",
    "metric-histogram",
];

/// Counts the rows of [`CI`] and fails if one grew. Where valgrind is not installed it says so, and fails in CI.
pub(super) fn in_ci() -> Result<(), String> {
    if !works("valgrind") {
        if std::env::var_os("CI").is_some() {
            return Err("valgrind is not installed: run `cargo xtask test needs`".to_owned());
        }
        eprintln!("\n*** SKIPPED: valgrind is not installed; `cargo xtask test needs` installs it ***\n");
        return Ok(());
    }
    let options = Options { exact: true, only: CI.map(str::to_owned).to_vec(), ..Options::default() };
    count(&options, &build_with(&CI_BUILD)?)
}

fn count(options: &Options, programs: &Path) -> Result<(), String> {
    let committed = Table::read()?;
    let mut counted = Table::default();
    let mut services = None;
    println!("{}", table::HEADER);
    for row in ROWS.iter().filter(|row| options.wants(row)) {
        for (name, instructions) in run(row, programs, &mut services)? {
            println!("{}", committed.line(&name, instructions));
            counted.insert(name, instructions);
        }
    }
    if options.write {
        return committed.merged(counted).write();
    }
    match committed.grown(&counted).as_slice() {
        [] => Ok(()),
        grown => Err(format!(
            "{} grew by more than {} %: make it cheaper, or say in the commit why it costs more and write the table \
             with --write",
            grown.join(", "),
            table::TOLERANCE_PERCENT
        )),
    }
}

/// The counts of one row, by name: one of each program that is counted.
fn run(row: &Row, programs: &Path, services: &mut Option<Services>) -> Result<Vec<(String, u64)>, String> {
    let once = row.run(programs, services, row.operations)?;
    let twice = row.run(programs, services, 2 * row.operations)?;
    let operations = row.operations * row.weight;
    once.into_iter()
        .zip(twice)
        .map(|((name, once), (_, twice))| {
            let more = twice.checked_sub(once).ok_or_else(|| {
                format!("{name}: {once} instructions for N operations and {twice} for 2 N: run it again")
            })?;
            Ok((name, more / operations))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_ci_exist_and_are_committed() {
        let committed = Table::read().unwrap();
        for name in CI {
            assert!(ROWS.iter().any(|row| row.name == name), "{name}");
            assert!(committed.line(name, 1).ends_with("% |"), "{name} is not in the committed table");
        }
    }
}
