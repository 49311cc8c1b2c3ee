//! `cargo xtask promises`: runs every test that `tests/PROMISES.md` names. It fails where a test does not exist, does not
//! run or fails, where a name fits several tests, and where a row neither names a test nor is open with a reason.

use std::collections::BTreeMap;
use std::process::ExitCode;

use crate::{cargo, root};

/// A row of the table.
struct Row {
    number: u32,
    proof: Proof,
}

/// The last cell of a row.
#[derive(Debug, PartialEq)]
enum Proof {
    /// The tests that prove the promise.
    Tests(Vec<String>),
    /// `open: ` and the reason.
    Open,
    /// Neither.
    Missing,
}

pub(crate) fn main() -> ExitCode {
    match promises() {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(problems) => {
            eprintln!("{problems}");
            ExitCode::FAILURE
        }
    }
}

fn promises() -> Result<String, String> {
    let path = root().join("tests/PROMISES.md");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let rows = rows(&text);
    let mut problems = Vec::new();
    for number in 1..=66 {
        match rows.iter().find(|row| row.number == number) {
            None => problems.push(format!("row {number} is missing")),
            Some(row) if row.proof == Proof::Missing => {
                problems.push(format!("row {number} needs a test, or `open: ` and the reason"));
            }
            Some(_) => {}
        }
    }
    // target → names, so that each target runs once
    let mut targets: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let tests = rows.iter().filter_map(|row| match &row.proof {
        Proof::Tests(tests) => Some(tests),
        Proof::Open | Proof::Missing => None,
    });
    for test in tests.flatten() {
        let (target, name) = test.split_once("::").ok_or_else(|| format!("`{test}` names no target"))?;
        let names = targets.entry(target.to_owned()).or_default();
        if !names.contains(&name.to_owned()) {
            names.push(name.to_owned());
        }
    }
    let mut passed = 0;
    for (target, names) in &targets {
        let results = run(target, names)?;
        for name in names {
            match passes(&results, name) {
                Ok(()) => passed += 1,
                Err(problem) => problems.push(format!("`{target}::{name}` {problem}")),
            }
        }
    }
    if problems.is_empty() {
        let open = rows.iter().filter(|row| row.proof == Proof::Open).count();
        Ok(format!("{} promises proved by {passed} tests, {open} open", rows.len() - open))
    } else {
        Err(problems.join("\n"))
    }
}

/// Whether the one test of this name passed; it may be in any module. Else what is wrong.
fn passes(results: &BTreeMap<String, String>, name: &str) -> Result<(), String> {
    let in_module = format!("::{name}");
    let own: Vec<_> =
        results.iter().filter(|(full, _)| *full == name || full.ends_with(&in_module)).collect();
    match own[..] {
        [] => Err("does not exist".to_owned()),
        [(_, result)] if result == "ok" => Ok(()),
        [(_, result)] => Err(format!("did not pass: {result}")),
        [..] => {
            let all: Vec<_> = own.iter().map(|(full, _)| full.as_str()).collect();
            Err(format!("may be any of {}: name its module too", all.join(", ")))
        }
    }
}

/// The rows of the table: `| number | promise | proof |`.
fn rows(text: &str) -> Vec<Row> {
    text.lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
            let number = cells.first()?.parse().ok()?;
            Some(Row { number, proof: proof(cells.last()?) })
        })
        .collect()
}

fn proof(cell: &str) -> Proof {
    if let Some(reason) = cell.strip_prefix("open") {
        let reason = reason.strip_prefix(':').unwrap_or_default().trim();
        return if reason.is_empty() { Proof::Missing } else { Proof::Open };
    }
    let tests: Vec<_> = cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    if tests.is_empty() { Proof::Missing } else { Proof::Tests(tests) }
}

/// Runs tests of one target; returns name → result. A target is a package's library (`pitaya`), or a file of the
/// integration tests (`sessions`).
fn run(target: &str, names: &[String]) -> Result<BTreeMap<String, String>, String> {
    let mut command = cargo();
    command.args(["test", "--quiet", "--all-features"]);
    match target {
        "pitaya" => command.args(["-p", "pitaya", "--lib"]),
        "pitaya_macros_core" => command.args(["-p", "pitaya-macros-core", "--lib"]),
        "ui" => command.args(["-p", "pitaya-ui-tests", "--tests"]),
        file => command.args(["-p", "pitaya-tests", "--test", file]),
    };
    command.args(["--", "--include-ignored", "--format", "pretty"]).args(names).env("CI", "1");
    let output = command.output().map_err(|error| format!("cargo: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let results: BTreeMap<String, String> = text
        .lines()
        .filter_map(|line| {
            let (name, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
            Some((name.trim_end_matches(" - should panic").to_owned(), result.to_owned()))
        })
        .collect();
    if results.is_empty() {
        return Err(format!("target `{target}`: no test ran\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_names_its_tests_or_a_reason() {
        let rows = rows("| # | promise | proof |\n|---|---|---|\n| 1 | One | `a::b` `c::d` |");
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].number, 1);
        assert_eq!(rows[0].proof, Proof::Tests(vec!["a::b".to_owned(), "c::d".to_owned()]));
        assert_eq!(proof("open: not written yet"), Proof::Open);
        for missing in ["open", "open:", "open: ", "not written yet", ""] {
            assert_eq!(proof(missing), Proof::Missing, "{missing}");
        }
    }

    #[test]
    fn a_name_is_that_of_exactly_one_test_which_passed() {
        let results = [
            ("a::good", "ok"),
            ("good_too", "ok"),
            ("bad", "FAILED"),
            ("idle", "ignored"),
            ("twice", "ok"),
            ("a::twice", "ok"),
        ];
        let results = results.map(|(name, result)| (name.to_owned(), result.to_owned())).into();
        for name in ["good", "a::good", "good_too", "a::twice"] {
            assert_eq!(passes(&results, name), Ok(()), "{name}");
        }
        for (name, problem) in [
            ("oo", "does not exist"),
            ("too", "does not exist"),
            ("bad", "did not pass: FAILED"),
            ("idle", "did not pass: ignored"),
            ("twice", "may be any of a::twice, twice: name its module too"),
        ] {
            assert_eq!(passes(&results, name), Err(problem.to_owned()), "{name}");
        }
    }
}
