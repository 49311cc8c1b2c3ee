//! Each rule with a pair of schemas.

mod enums;
mod fields;
mod protobuf;
mod remotes;
mod report;
mod routes;
mod types;
mod unions;

use pitaya_schema::Schema;
use serde_json::{Value, json};

use super::*;

fn schema(value: Value) -> Schema {
    Schema::from_json(&value.to_string()).unwrap()
}

/// Returns the findings as `severity id`.
fn found(old: Value, new: Value) -> Vec<String> {
    let findings = diff(&schema(old), &schema(new));
    findings.iter().map(|finding| format!("{} {finding}", finding.severity.as_str())).collect()
}

/// A schema whose type `T` travels in both directions, with `E` as an enum for its fields.
fn types(fields: Value, serializers: &[&str]) -> Value {
    let proto = fields[0].get("tag").is_some();
    json!({
        "pitaya": 1,
        "types": {
            "T": { "proto": proto, "fields": fields },
            "E": { "enum": [{ "name": "A", "number": 0 }] },
        },
        "handlers": { "a.b.c": { "message": "T", "reply": "T" } },
        "serializers": serializers,
    })
}

/// Compares the fields of a message that is sent and read in JSON.
fn fields(old: Value, new: Value) -> Vec<String> {
    found(types(old, &["json"]), types(new, &["json"]))
}

/// Compares the fields of a message in Protobuf.
fn proto(old: Value, new: Value) -> Vec<String> {
    found(types(old, &["protobuf"]), types(new, &["protobuf"]))
}

/// Compares two types of a required field in JSON.
fn field_type(old: Value, new: Value) -> Vec<String> {
    let field = |ty| json!([{ "name": "f", "type": ty, "required": true }]);
    fields(field(old), field(new))
}

fn optional(name: &str, ty: &str) -> Value {
    json!({ "name": name, "type": { "opt": ty } })
}

fn required(name: &str, ty: &str) -> Value {
    json!({ "name": name, "type": ty, "required": true })
}

/// A schema with one handler and the types `T` and `U`, which are alike.
fn handler(method: Value) -> Value {
    let alike = json!({ "fields": [required("f", "i8")] });
    json!({
        "pitaya": 1, "types": { "T": alike, "U": alike },
        "handlers": { "a.b.c": method },
        "errors": { "E-1": {}, "E-2": {} },
    })
}

#[test]
fn every_rule_has_a_row() {
    let tests = [
        include_str!("enums.rs"),
        include_str!("fields.rs"),
        include_str!("protobuf.rs"),
        include_str!("routes.rs"),
        include_str!("types.rs"),
        include_str!("unions.rs"),
    ];
    let tests = tests.concat();
    for rule in Rule::ALL {
        assert!(tests.contains(&format!(" {}/", rule.as_str())), "no test for {}", rule.as_str());
    }
}
