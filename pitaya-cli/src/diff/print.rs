//! Writes findings as text and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::finding::{Direction, Finding, Severity};

/// Returns the findings as text for people. It ends with a line feed unless it is empty.
pub fn to_text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let Finding { severity, subject, field, old, new, help, .. } = finding;
        let dot = if field.is_empty() { "" } else { "." };
        let direction = match finding.direction {
            Some(Direction::In) => " (in: old callers send, new servers read)",
            Some(Direction::Out) => " (out: new servers send, old clients read)",
            None => "",
        };
        let _ = writeln!(text, "{:<6} {subject}{dot}{field}: {old} -> {new}{direction}", severity.as_str());
        let _ = writeln!(text, "       {help}");
        let _ = writeln!(text, "       id: {finding}");
    }
    text
}

/// Returns a report as JSON, with the number of findings that break at `level`.
pub fn to_json(findings: &[Finding], accepted: &[Finding], level: Severity) -> Value {
    let list = |findings: &[Finding]| findings.iter().map(one).collect::<Value>();
    json!({
        "breaking": super::breaking(findings, level),
        "findings": list(findings),
        "accepted": list(accepted),
    })
}

fn one(finding: &Finding) -> Value {
    json!({
        "id": finding.id(),
        "severity": finding.severity.as_str(),
        "rule": finding.rule.as_str(),
        "subject": finding.subject,
        "field": finding.field,
        "direction": finding.direction.map(Direction::as_str),
        "old": finding.old,
        "new": finding.new,
        "help": finding.help,
    })
}
