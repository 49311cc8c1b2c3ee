//! Calls between servers.

use serde_json::{Value, json};

use super::*;

fn remote(fields: Value) -> Value {
    let proto = fields[0].get("tag").is_some();
    json!({
        "pitaya": 1, "types": { "T": { "proto": proto, "fields": fields } },
        "remotes": { "a.b.c": { "message": "T" } },
    })
}

/// Servers of both versions call each other during a rolling update.
#[test]
fn message_of_a_remote_travels_in_both_directions() {
    let found = found(remote(json!([required("f", "i32")])), remote(json!([required("f", "i64")])));
    assert_eq!(found, ["break type-widened/T.f/out"]);
    let found = self::found(remote(json!([required("f", "i64")])), remote(json!([required("f", "i32")])));
    assert_eq!(found, ["break type-narrowed/T.f/in"]);
}

#[test]
fn remote_that_changes_between_formats_breaks() {
    let (proto, msgpack) =
        (json!([{ "name": "f", "type": "i32", "tag": 1 }]), json!([{ "name": "f", "type": "i32" }]));
    let changed = ["break proto-changed/a.b.c"];
    assert_eq!(found(remote(proto.clone()), remote(msgpack.clone())), changed);
    assert_eq!(found(remote(msgpack), remote(proto)), changed);
}

/// Servers reject an unknown value, which generated clients keep.
#[test]
fn enum_value_that_a_remote_gains_breaks_old_servers() {
    let schema = |values: Value| {
        json!({
            "pitaya": 1,
            "types": { "T": { "fields": [required("f", "E")] }, "E": { "enum": values } },
            "remotes": { "a.b.c": { "message": "T" } },
        })
    };
    let (a, b) = (json!({ "name": "A", "number": 0 }), json!({ "name": "B", "number": 1 }));
    assert_eq!(found(schema(json!([a])), schema(json!([a, b]))), ["break value-added/E.B/out"]);
}

#[test]
fn body_of_a_remote_may_neither_appear_nor_disappear() {
    let remote = |proto: bool, method: Value| {
        let field = if proto { json!({ "name": "f", "type": "i8", "tag": 1 }) } else { required("f", "i8") };
        json!({
            "pitaya": 1,
            "types": { "T": { "proto": proto, "fields": [field] } },
            "remotes": { "a.b.c": method },
        })
    };
    for (key, id) in [("message", "route-message/a.b.c"), ("reply", "route-reply/a.b.c")] {
        let mut changes = Vec::new();
        for proto in [false, true] {
            let (none, some) = (remote(proto, json!({})), remote(proto, json!({ key: "T" })));
            changes.push(found(none.clone(), some.clone()));
            changes.push(found(some, none));
        }
        let (breaks, note) = (vec![format!("break {id}")], vec![format!("note {id}")]);
        assert_eq!(changes[..2], [breaks.clone(), breaks]);
        assert!(changes[2..].contains(&note), "Protobuf reads an empty body as defaults: {changes:?}");
    }
}

/// Names do not travel in a call with Protobuf, whatever clients use.
#[test]
fn field_of_a_protobuf_remote_may_be_renamed() {
    let field = |name| remote(json!([{ "name": name, "type": "i32", "tag": 1 }]));
    assert_eq!(
        found(field("f"), field("g")),
        ["source field-renamed/T.f/in", "source field-renamed/T.f/out"]
    );
}
