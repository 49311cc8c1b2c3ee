//! The JSON Schema of the file accepts what the reader accepts.

use pitaya_schema::Schema;
use serde_json::Value;

const EVERY_FEATURE: &str = include_str!("fixtures/every-feature.json");
const SHAPES: &str = include_str!("fixtures/shapes.json");

/// The JSON Schema of the repository; this package's folder alone does not have it.
fn json_schema() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/pitaya-schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Validates by the keywords that the file uses, and panics at any other.
fn valid(root: &Value, rule: &Value, value: &Value) -> bool {
    let number = |key: &str| rule[key].as_i64().unwrap();
    let list = |key: &str| rule[key].as_array().unwrap();
    rule.as_object().unwrap().keys().all(|key| match key.as_str() {
        "$schema" | "title" | "description" | "$defs" | "properties" => true,
        "$ref" => valid(root, root.pointer(&rule["$ref"].as_str().unwrap()[1..]).unwrap(), value),
        "const" => *value == rule["const"],
        "enum" => list("enum").contains(value),
        "anyOf" => list("anyOf").iter().any(|rule| valid(root, rule, value)),
        "type" => match rule["type"].as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64(),
            other => panic!("unknown type {other}"),
        },
        "minimum" => value.as_i64().is_none_or(|value| value >= number("minimum")),
        "maximum" => value.as_i64().is_none_or(|value| value <= number("maximum")),
        "minItems" => value.as_array().is_none_or(|items| items.len() as i64 >= number("minItems")),
        "maxItems" => value.as_array().is_none_or(|items| items.len() as i64 <= number("maxItems")),
        "items" => value.as_array().into_iter().flatten().all(|item| valid(root, &rule["items"], item)),
        "prefixItems" => {
            let items = value.as_array().into_iter().flatten();
            items.zip(list("prefixItems")).all(|(item, rule)| valid(root, rule, item))
        }
        "uniqueItems" => {
            let items = value.as_array().cloned().unwrap_or_default();
            items.iter().enumerate().all(|(at, item)| !items[..at].contains(item))
        }
        "required" => list("required").iter().all(|key| value.get(key.as_str().unwrap()).is_some()),
        "propertyNames" => {
            let mut names = value.as_object().into_iter().flatten();
            names.all(|(name, _)| valid(root, &rule["propertyNames"], &Value::from(name.as_str())))
        }
        "pattern" => {
            assert_eq!(rule["pattern"], r"^[\p{L}_][\p{L}\p{N}_]*$");
            let mut chars = value.as_str().unwrap_or("-").chars();
            chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
                && chars.all(|c| c.is_alphanumeric() || c == '_')
        }
        "additionalProperties" => value.as_object().into_iter().flatten().all(|(key, value)| {
            match (rule["properties"].get(key), &rule["additionalProperties"]) {
                (Some(rule), _) => valid(root, rule, value),
                (None, Value::Bool(more)) => *more,
                (None, more) => valid(root, more, value),
            }
        }),
        other => panic!("unknown keyword {other}"),
    })
}

#[test]
fn json_schema_accepts_every_feature() {
    let root = json_schema();
    for text in [EVERY_FEATURE, SHAPES] {
        assert!(valid(&root, &root, &serde_json::from_str(text).unwrap()));
    }
}

/// A key or a word that the reader rejects is rejected by the JSON Schema too.
#[test]
fn json_schema_and_reader_reject_the_same() {
    let root = json_schema();
    for (from, to) in [
        ("\"pitaya\": 1", "\"pitaya\": 2"),
        ("\"package\"", "\"pakage\""),
        ("\"required\": true", "\"require\": true"),
        ("\"required\": true", "\"required\": 1"),
        ("\"repr\": \"name\"", "\"repr\": \"text\""),
        ("\"class\": \"latest\"", "\"class\": \"newest\""),
        ("\"text\": \"i64\"", "\"text\": \"i32\""),
        ("\"opt\": \"string\"", "\"set\": \"string\""),
        ("\"encoding\": \"fixed64\"", "\"encoding\": \"varint\""),
        ("\"tag\": 16", "\"tag\": 0"),
        ("\"notify\": true", "\"notify\": \"yes\""),
        ("\"onMembers\": 2", "\"onMembers\": 65536"),
        ("\"metadata\"", "\"meta\""),
        ("\"Target\": {", "\"The target\": {"),
    ] {
        assert!(EVERY_FEATURE.contains(from), "{from}");
        let text = EVERY_FEATURE.replacen(from, to, 1);
        assert!(!valid(&root, &root, &serde_json::from_str(&text).unwrap()), "{to}");
        assert!(Schema::from_json(&text).is_err(), "{to}");
    }
    for (from, to) in [
        ("\"tuple\": [\n              \"string\",", "\"tuple\": ["),
        ("\"key\": \"kind\",", ""),
        ("\"key\": \"kind\"", "\"key\": 1"),
        ("\"content\": \"data\"", "\"contents\": \"data\""),
        ("\"name\": \"nothing\"", "\"tag\": 0, \"name\": \"nothing\""),
        ("\"name\": \"nothing\"", "\"value\": \"u8\", \"name\": \"nothing\""),
        ("\"name\": \"nothing\"", "\"doc\": \"\""),
    ] {
        assert!(SHAPES.contains(from), "{from}");
        let text = SHAPES.replacen(from, to, 1);
        assert!(!valid(&root, &root, &serde_json::from_str(&text).unwrap()), "{to}");
        assert!(Schema::from_json(&text).is_err(), "{to}");
    }
}
