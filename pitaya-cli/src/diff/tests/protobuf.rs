//! Tags, Protobuf types and packages.

use serde_json::{Value, json};

use super::*;

#[test]
fn tag_that_changes_breaks_protobuf() {
    let field = |tag| types(json!([{ "name": "f", "type": "i32", "tag": tag }]), &["json", "protobuf"]);
    assert_eq!(found(field(1), field(2)), ["break tag-changed/T.f/in", "break tag-changed/T.f/out"]);
    let json_only = |tag| types(json!([{ "name": "f", "type": "i32", "tag": tag }]), &["json"]);
    assert!(found(json_only(1), json_only(2)).is_empty());
}

#[test]
fn tag_that_is_reused_breaks_protobuf() {
    let field = |name, ty| types(json!([{ "name": name, "type": ty, "tag": 1 }]), &["json", "protobuf"]);
    let found = found(field("f", "i32"), field("g", "string"));
    assert!(found.contains(&"break tag-reused/T.f/in".to_owned()), "{found:?}");
    assert!(found.contains(&"break tag-reused/T.f/out".to_owned()), "{found:?}");
}

#[test]
fn protobuf_type_that_changes_breaks() {
    let field = |encoding: Value| json!([{ "name": "f", "type": "i32", "tag": 1, "encoding": encoding }]);
    let both = ["break encoding-changed/T.f/in", "break encoding-changed/T.f/out"];
    assert_eq!(proto(field(json!("sint32")), field(json!("sfixed32"))), both);
    assert_eq!(proto(field(Value::Null), field(json!("sint32"))), both);
    let list = |ty: Value| json!([{ "name": "f", "type": ty, "tag": 1 }]);
    assert_eq!(proto(list(json!("i32")), list(json!({ "list": "i32" }))), both);
}

#[test]
fn message_without_protobuf_form_breaks_protobuf() {
    let (old, new) =
        (json!([{ "name": "f", "type": "i32", "tag": 1 }]), json!([{ "name": "f", "type": "i32" }]));
    let both = ["break proto-changed/T/in", "break proto-changed/T/out"];
    assert_eq!(proto(old.clone(), new.clone()), both);
    assert!(fields(old, new).is_empty());
}

#[test]
fn package_concerns_sources() {
    let schema = |package: &str| json!({ "pitaya": 1, "package": package });
    assert_eq!(found(schema("a"), schema("b")), ["source package-changed/package"]);
}
