//! The allow file: findings that were accepted.

use std::collections::BTreeSet;
use std::fmt;

use super::finding::{Finding, Rule};

/// The ids of accepted findings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed(BTreeSet<String>);

/// A line of an allow file that is no id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowError {
    /// The line, counted from 1.
    pub line: usize,
    /// Its text.
    pub text: String,
}

impl fmt::Display for AllowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}: `{}` is no id of a finding, such as `field-added/Join.room/in`",
            self.line, self.text
        )
    }
}

impl std::error::Error for AllowError {}

impl Allowed {
    /// Reads an allow file: one id a line; `#` begins a comment.
    ///
    /// # Errors
    /// A line is no id.
    pub fn parse(text: &str) -> Result<Self, AllowError> {
        let mut ids = BTreeSet::new();
        for (at, line) in text.lines().enumerate() {
            let id = line.split('#').next().unwrap_or_default().trim();
            if id.is_empty() {
                continue;
            }
            let rule = id.split_once('/').map(|(rule, _)| rule);
            if !Rule::ALL.iter().any(|known| rule == Some(known.as_str())) {
                return Err(AllowError { line: at + 1, text: id.to_owned() });
            }
            ids.insert(id.to_owned());
        }
        Ok(Self(ids))
    }

    /// Splits findings into those that are not accepted and those that are.
    pub fn split(&self, findings: Vec<Finding>) -> (Vec<Finding>, Vec<Finding>) {
        findings.into_iter().partition(|finding| !self.0.contains(&finding.id()))
    }

    /// Returns the ids that no finding has.
    pub fn unused<'a>(&'a self, accepted: &[Finding]) -> Vec<&'a str> {
        let found: BTreeSet<String> = accepted.iter().map(Finding::id).collect();
        self.0.iter().filter(|id| !found.contains(*id)).map(String::as_str).collect()
    }
}
