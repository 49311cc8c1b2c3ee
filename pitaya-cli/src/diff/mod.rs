//! Compares two schemas and tells what breaks between programs of the one and of the other. No input or output.
//!
//! The direction decides. In the direction [`In`](Direction::In) old callers send what new servers read. In the direction
//! [`Out`](Direction::Out) new servers send what old clients read. Servers of both versions run during a rolling update,
//! so the messages of remotes have both directions.

mod allow;
mod defaults;
mod enums;
mod fields;
mod finding;
mod print;
mod routes;
mod shape;
mod unions;

pub use allow::{AllowError, Allowed};
pub use finding::{Direction, Finding, Rule, Severity};
pub use print::{to_json, to_text};

use pitaya_schema::Schema;

/// Returns everything that differs and may matter, sorted: what breaks comes first.
///
/// A schema against itself has no findings.
pub fn diff(old: &Schema, new: &Schema) -> Vec<Finding> {
    let mut findings = routes::compare(old, new);
    findings.sort_by(|a, b| {
        (a.severity, &a.subject, &a.field, a.rule, a.direction).cmp(&(
            b.severity,
            &b.subject,
            &b.field,
            b.rule,
            b.direction,
        ))
    });
    findings.dedup();
    findings
}

/// Returns how many findings break at a level: [`Severity::Break`], or also what breaks only sources.
pub fn breaking(findings: &[Finding], level: Severity) -> usize {
    findings.iter().filter(|finding| finding.severity <= level).count()
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
