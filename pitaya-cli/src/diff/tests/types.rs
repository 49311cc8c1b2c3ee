//! The types of fields.

use serde_json::{Value, json};

use super::*;

#[test]
fn widened_type_breaks_old_readers() {
    for (old, new) in [("i32", "i64"), ("u32", "i64"), ("u8", "u16"), ("f32", "f64"), ("string", "any")] {
        assert_eq!(field_type(json!(old), json!(new)), ["break type-widened/T.f/out"], "{old} {new}");
    }
}

#[test]
fn widened_integer_is_readable_in_protobuf() {
    let field = |ty| json!([{ "name": "f", "type": ty, "tag": 1 }]);
    assert_eq!(proto(field("i32"), field("i64")), ["break type-widened/T.f/out"]);
    let float = ["break encoding-changed/T.f/in", "break encoding-changed/T.f/out"];
    assert_eq!(proto(field("f32"), field("f64")), float);
}

#[test]
fn narrowed_type_breaks_old_senders() {
    for (old, new) in [("i64", "i32"), ("i64", "u32"), ("any", "string")] {
        assert_eq!(field_type(json!(old), json!(new)), ["break type-narrowed/T.f/in"], "{old} {new}");
    }
    let rounded = ["break type-narrowed/T.f/in", "note type-narrowed/T.f/out"];
    assert_eq!(field_type(json!("f64"), json!("f32")), rounded);
}

#[test]
fn other_type_breaks_both_directions() {
    let both = ["break type-changed/T.f/in", "break type-changed/T.f/out"];
    for (old, new) in [
        (json!("i32"), json!("u32")),
        (json!("i8"), json!("string")),
        (json!("i8"), json!({ "list": "i8" })),
        (json!({ "list": "i8" }), json!("i8")),
        (json!("string"), json!("E")),
        (json!("E"), json!("i32")),
        (json!({ "list": "i8" }), json!({ "map": ["string", "i8"] })),
        (json!("T"), json!("E")),
        (json!({ "text": "i64" }), json!("i64")),
    ] {
        assert_eq!(field_type(old.clone(), new.clone()), both, "{old} {new}");
    }
}

#[test]
fn message_that_becomes_an_enum_breaks() {
    let schema = |def: Value| {
        let mut schema = types(json!([required("f", "D")]), &["json"]);
        schema["types"]["D"] = def;
        schema
    };
    let message = schema(json!({ "fields": [optional("f", "i8")] }));
    let values = schema(json!({ "enum": [{ "name": "A", "number": 0 }] }));
    let expected = ["break type-changed/T.f/in", "break type-changed/T.f/out"];
    assert_eq!(found(message.clone(), values.clone()), expected);
    assert_eq!(found(values, message), expected);
}

/// Servers read an integer of a text field as a number too.
#[test]
fn integer_that_becomes_text_breaks_old_readers_only() {
    assert_eq!(field_type(json!("u64"), json!({ "text": "u64" })), ["break type-changed/T.f/out"]);
}

#[test]
fn types_inside_of_lists_and_maps_are_compared() {
    let nested = |ty: &str| json!({ "list": { "map": ["string", { "opt": ty }] } });
    assert_eq!(field_type(nested("i32"), nested("i64")), ["break type-widened/T.f/out"]);
    let (strict, loose) = (json!({ "list": "i8" }), json!({ "list": { "opt": "i8" } }));
    assert_eq!(field_type(strict.clone(), loose.clone()), ["break type-widened/T.f/out"]);
    assert_eq!(field_type(loose, strict), ["break type-narrowed/T.f/in"]);
    let keys = |ty: &str| json!({ "map": [ty, "i8"] });
    assert_eq!(field_type(keys("i64"), keys("i32")), ["break type-narrowed/T.f/in"]);
}
