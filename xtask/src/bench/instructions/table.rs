//! The table that is committed, and how a run compares with it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use crate::root;

/// How much more a row may cost than the committed table says.
pub(super) const TOLERANCE_PERCENT: u64 = 5;

pub(super) const HEADER: &str =
    "| program and scenario | instructions | committed | change |\n|---|---:|---:|---:|";

const INTRODUCTION: &str = "\
# Instructions in user space an operation, counted by `cargo xtask bench instructions`.
# `bare-…` and `raw-…` are the programs without the framework. Written by `--write`; a row may grow by 5 %.
";

/// Instructions an operation, by the name of the row.
#[derive(Debug, Default)]
pub(super) struct Table(BTreeMap<String, u64>);

impl Table {
    fn path() -> PathBuf {
        root().join("benches/instructions.toml")
    }

    /// Reads the committed table. It is empty if there is no file.
    pub(super) fn read() -> Result<Self, String> {
        let path = Self::path();
        if !path.exists() {
            return Ok(Self::default());
        }
        let error = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(&path).map_err(|cause| error(&cause))?;
        let rows: BTreeMap<String, u64> = toml::from_str(&text).map_err(|cause| error(&cause))?;
        Ok(Self(rows))
    }

    /// Writes the table to where the committed one is.
    pub(super) fn write(&self) -> Result<(), String> {
        let mut text = INTRODUCTION.to_owned();
        for (name, instructions) in &self.0 {
            let _ = writeln!(text, "{name} = {instructions}");
        }
        std::fs::write(Self::path(), text).map_err(|error| format!("{}: {error}", Self::path().display()))
    }

    pub(super) fn insert(&mut self, name: String, instructions: u64) {
        self.0.insert(name, instructions);
    }

    /// This table with the rows of another one in place of its own.
    pub(super) fn merged(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// One line of the printed table.
    pub(super) fn line(&self, name: &str, instructions: u64) -> String {
        match self.0.get(name) {
            Some(&before) => {
                let change = (instructions as f64 / before.max(1) as f64 - 1.0) * 100.0;
                format!("| {name} | {instructions} | {before} | {change:+.1} % |")
            }
            None => format!("| {name} | {instructions} | – | – |"),
        }
    }

    /// The rows of `counted` that cost too much more than this table says.
    pub(super) fn grown(&self, counted: &Self) -> Vec<String> {
        let too_much = |(name, instructions): &(&String, &u64)| {
            self.0.get(*name).is_some_and(|before| **instructions * 100 > before * (100 + TOLERANCE_PERCENT))
        };
        // The bare programs are not ours; they are there to compare with.
        let ours =
            counted.0.iter().filter(|(name, _)| !name.starts_with("bare-") && !name.starts_with("raw-"));
        ours.filter(too_much).map(|(name, _)| name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(&str, u64)]) -> Table {
        Table(rows.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect())
    }

    #[test]
    fn rows_over_the_tolerance_are_named() {
        let committed = table(&[("a", 100), ("b", 100), ("bare-c", 100)]);
        let counted = table(&[("a", 105), ("b", 106), ("bare-c", 200), ("new", 1)]);
        assert_eq!(committed.grown(&counted), ["b"]);
    }

    #[test]
    fn a_line_shows_the_change() {
        let committed = table(&[("a", 1000)]);
        assert_eq!(committed.line("a", 980), "| a | 980 | 1000 | -2.0 % |");
        assert_eq!(committed.line("b", 5), "| b | 5 | – | – |");
    }
}
