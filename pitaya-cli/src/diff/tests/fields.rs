//! The fields of a message.

use serde_json::json;

use super::*;

#[test]
fn optional_field_may_be_added() {
    assert!(fields(json!([]), json!([optional("f", "i8")])).is_empty());
    assert!(fields(json!([]), json!([{ "name": "f", "type": "i8" }])).is_empty());
}

#[test]
fn required_field_breaks_old_senders() {
    assert_eq!(fields(json!([]), json!([required("f", "i8")])), ["break field-added/T.f/in"]);
}

#[test]
fn removed_optional_field_is_noted() {
    let expected = ["note field-removed/T.f/in", "note field-removed/T.f/out"];
    assert_eq!(fields(json!([optional("f", "i8")]), json!([])), expected);
}

#[test]
fn removed_required_field_breaks_old_readers() {
    let expected = ["break field-removed/T.f/out", "note field-removed/T.f/in"];
    assert_eq!(fields(json!([required("f", "i8")]), json!([])), expected);
}

#[test]
fn field_that_becomes_optional_breaks_old_readers() {
    let (strict, default, loose) =
        (required("f", "i8"), json!({ "name": "f", "type": "i8" }), optional("f", "i8"));
    for (old, new) in [(&strict, &default), (&strict, &loose), (&default, &loose)] {
        assert_eq!(fields(json!([old]), json!([new])), ["break field-optional/T.f/out"]);
        assert_eq!(fields(json!([new]), json!([old])), ["break field-required/T.f/in"]);
    }
}

#[test]
fn renamed_field_breaks_formats_with_names() {
    let renamed = ["break field-renamed/T.f/in", "break field-renamed/T.f/out"];
    for field in [optional, required] {
        assert_eq!(fields(json!([field("f", "i8")]), json!([field("g", "i8")])), renamed);
    }
    let tagged = |name| json!([{ "name": name, "type": "i32", "tag": 1 }]);
    let both = |name| types(tagged(name), &["json", "protobuf"]);
    assert_eq!(found(both("f"), both("g")), renamed);
}

#[test]
fn renamed_field_is_compatible_in_protobuf() {
    let field = |name| json!([{ "name": name, "type": "i32", "tag": 1 }]);
    let expected = ["source field-renamed/T.f/in", "source field-renamed/T.f/out"];
    assert_eq!(proto(field("f"), field("g")), expected);
}

#[test]
fn docs_order_and_name_do_not_matter() {
    let mut old = types(json!([required("f", "i8"), optional("g", "i8")]), &["json"]);
    let mut new = types(json!([optional("g", "i8"), required("f", "i8")]), &["json"]);
    old["name"] = json!("old");
    new["types"]["T"]["doc"] = json!("Other words.");
    new["handlers"]["a.b.c"]["doc"] = json!("Other words.");
    assert!(found(old, new).is_empty());
}

#[test]
fn types_that_nest_in_themselves_are_compared_once() {
    let nested = |ty: &str| json!([{ "name": "next", "type": { "opt": "T" } }, required("f", ty)]);
    assert_eq!(fields(nested("i32"), nested("i64")), ["break type-widened/T.f/out"]);
}
