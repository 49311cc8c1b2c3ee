//! The values of enums.

use serde_json::{Value, json};

use super::*;

/// Compares the values of an enum that travels in both directions.
fn values(old: Value, new: Value, serializers: &[&str]) -> Vec<String> {
    let schema = |def: Value| {
        json!({
            "pitaya": 1,
            "types": {
                "T": { "proto": true, "fields": [{ "name": "f", "type": "E", "tag": 1 }] },
                "E": def,
            },
            "handlers": { "a.b.c": { "message": "T", "reply": "T" } },
            "serializers": serializers,
        })
    };
    found(schema(old), schema(new))
}

fn by_number(values: &[(&str, i32)]) -> Value {
    let values = values.iter().map(|(name, number)| json!({ "name": name, "number": number }));
    json!({ "enum": values.collect::<Vec<_>>() })
}

fn by_name(values: &[(&str, i32)]) -> Value {
    let mut def = by_number(values);
    def["repr"] = json!("name");
    def
}

#[test]
fn enum_value_that_is_added_is_noted() {
    for def in [by_number, by_name] {
        let (old, new) = (def(&[("A", 0)]), def(&[("A", 0), ("B", 1)]));
        assert_eq!(values(old, new, &["json"]), ["note value-added/E.B/out"]);
    }
}

#[test]
fn enum_value_that_is_removed_breaks_old_senders() {
    for def in [by_number, by_name] {
        let (old, new) = (def(&[("A", 0), ("B", 1)]), def(&[("A", 0)]));
        assert_eq!(values(old, new, &["json"]), ["break value-removed/E.B/in"]);
    }
}

#[test]
fn enum_value_that_is_renumbered_breaks() {
    let (old, new) = ([("A", 0), ("B", 1)], [("A", 0), ("B", 2)]);
    let both = ["break value-renumbered/E.B/in", "break value-renumbered/E.B/out"];
    assert_eq!(values(by_number(&old), by_number(&new), &["json"]), both);
    assert_eq!(values(by_name(&old), by_name(&new), &["protobuf"]), both);
    assert!(values(by_name(&old), by_name(&new), &["json"]).is_empty());
}

/// A field that may be absent means the first value then.
#[test]
fn enum_with_another_first_value_breaks_defaults() {
    let schema = |field: Value, repr: &str, values: [(&str, i32); 2]| {
        let mut schema = types(json!([field]), &["json"]);
        let values = values.map(|(name, number)| json!({ "name": name, "number": number }));
        schema["types"]["E"] = json!({ "repr": repr, "enum": values });
        schema
    };
    let absent = || json!({ "name": "f", "type": "E" });
    let (ab, ba) = ([("A", 0), ("B", 1)], [("B", 1), ("A", 0)]);
    let both = ["break default-changed/T.f/in", "break default-changed/T.f/out"];
    for repr in ["name", "number"] {
        let tuple = json!({ "name": "f", "type": { "tuple": ["u8", "E"] } });
        for field in [absent(), tuple] {
            assert_eq!(found(schema(field.clone(), repr, ab), schema(field, repr, ba)), both);
        }
        // A value always travels, or none is meant.
        for field in [required("f", "E"), optional("f", "E")] {
            assert!(found(schema(field.clone(), repr, ab), schema(field, repr, ba)).is_empty());
        }
    }
    // A number means the same by another name.
    let renamed = found(schema(absent(), "number", ab), schema(absent(), "number", [("C", 0), ("B", 1)]));
    assert!(renamed.iter().all(|id| id.starts_with("source value-renamed/")), "{renamed:?}");
}

/// The name of a value travels only if the enum says so.
#[test]
fn enum_value_that_is_renamed_concerns_sources() {
    let (old, new) = ([("A", 0), ("B", 1)], [("A", 0), ("C", 1)]);
    let source = ["source value-renamed/E.B/in", "source value-renamed/E.B/out"];
    assert_eq!(values(by_number(&old), by_number(&new), &["json"]), source);
    let wire = ["break value-removed/E.B/in", "note value-added/E.C/out"];
    assert_eq!(values(by_name(&old), by_name(&new), &["json"]), wire);
}

#[test]
fn enum_that_travels_in_another_form_breaks() {
    let both = ["break type-changed/E/in", "break type-changed/E/out"];
    assert_eq!(values(by_number(&[("A", 0)]), by_name(&[("A", 0)]), &["json"]), both);
    assert!(values(by_number(&[("A", 0)]), by_name(&[("A", 0)]), &["protobuf"]).is_empty());
}
