//! Unions, tuples and durations.

use serde_json::{Value, json};

use super::*;

/// Compares two unions that travel in both directions.
fn unions(old: Value, new: Value, serializers: &[&str]) -> Vec<String> {
    let schema = |def: Value| {
        json!({
            "pitaya": 1,
            "types": { "U": def, "T": { "fields": [required("f", "i8")] }, "P": { "proto": true, "fields": [] } },
            "handlers": { "a.b.c": { "message": "U", "reply": "U" } },
            "serializers": serializers,
        })
    };
    found(schema(old), schema(new))
}

fn beside(variants: Value) -> Value {
    json!({ "union": variants, "key": "type" })
}

fn content(variants: Value) -> Value {
    json!({ "union": variants, "key": "type", "content": "data" })
}

fn tagged(variants: Value) -> Value {
    json!({ "union": variants, "key": "type", "content": "data", "proto": true })
}

#[test]
fn variant_that_is_added_is_noted() {
    for def in [beside, content] {
        let (old, new) = (def(json!([{ "name": "A" }])), def(json!([{ "name": "A" }, { "name": "B" }])));
        assert_eq!(unions(old, new, &["json"]), ["note variant-added/U.B/out"]);
    }
}

#[test]
fn variant_that_is_removed_breaks_old_senders() {
    let (old, new) = (json!([{ "name": "A" }, { "name": "B" }]), json!([{ "name": "A" }]));
    for def in [beside, content] {
        let found = unions(def(old.clone()), def(new.clone()), &["json"]);
        assert_eq!(found, ["break variant-removed/U.B/in"]);
    }
}

#[test]
fn variant_that_a_remote_gains_breaks_old_servers() {
    let schema = |variants: Value| {
        json!({
            "pitaya": 1, "types": { "U": beside(variants) },
            "remotes": { "a.b.c": { "message": "U" } },
        })
    };
    let found = found(schema(json!([{ "name": "A" }])), schema(json!([{ "name": "A" }, { "name": "B" }])));
    assert_eq!(found, ["break variant-added/U.B/out"]);
}

/// The name travels, except in Protobuf.
#[test]
fn variant_that_is_renamed_breaks_formats_with_names() {
    let def = |name: &str| tagged(json!([{ "name": "A", "tag": 1 }, { "name": name, "tag": 2 }]));
    let named = ["break variant-removed/U.B/in", "note variant-added/U.C/out"];
    let beside = |name: &str| beside(json!([{ "name": "A" }, { "name": name }]));
    assert_eq!(unions(beside("B"), beside("C"), &["json"]), named);
    let proto = ["source variant-renamed/U.B/in", "source variant-renamed/U.B/out"];
    assert_eq!(unions(def("B"), def("C"), &["protobuf"]), proto);
}

#[test]
fn union_with_other_fields_breaks_formats_with_names() {
    let variants = json!([{ "name": "A", "tag": 1 }]);
    let old = tagged(variants.clone());
    let mut key = old.clone();
    key["key"] = json!("kind");
    let mut other = old.clone();
    other["content"] = json!("value");
    let none = json!({ "union": variants, "key": "type", "proto": true });
    let both = ["break union-form/U/in", "break union-form/U/out"];
    for new in [key, other, none] {
        assert_eq!(unions(old.clone(), new.clone(), &["json"]), both, "{new}");
        assert!(unions(old.clone(), new, &["protobuf"]).is_empty());
    }
}

#[test]
fn tag_of_a_variant_breaks_protobuf_only() {
    let def = |name: &str, tag: u32| tagged(json!([{ "name": "A", "tag": 1 }, { "name": name, "tag": tag }]));
    let both = ["break tag-changed/U.B/in", "break tag-changed/U.B/out"];
    assert_eq!(unions(def("B", 2), def("B", 3), &["json", "protobuf"]), both);
    assert!(unions(def("B", 2), def("B", 3), &["json"]).is_empty());
    let reused = unions(def("B", 2), def("C", 2), &["json", "protobuf"]);
    for id in ["break tag-reused/U.B/in", "break tag-reused/U.B/out"] {
        assert!(reused.contains(&id.to_owned()), "{reused:?}");
    }
}

#[test]
fn union_without_protobuf_form_breaks_protobuf() {
    let (old, new) = (tagged(json!([{ "name": "A", "tag": 1 }])), content(json!([{ "name": "A" }])));
    let both = ["break proto-changed/U/in", "break proto-changed/U/out"];
    assert_eq!(unions(old.clone(), new.clone(), &["protobuf"]), both);
    assert!(unions(old, new, &["json"]).is_empty());
}

#[test]
fn fields_of_a_variant_are_compared() {
    let def = |fields: Value| json!([{ "name": "A", "fields": fields }]);
    for form in [beside, content] {
        let added = unions(form(def(json!([]))), form(def(json!([required("f", "i8")]))), &["json"]);
        assert_eq!(added, ["break field-added/U.A.f/in"]);
        let widened = unions(
            form(def(json!([required("f", "i8")]))),
            form(def(json!([required("f", "i16")]))),
            &["json"],
        );
        assert_eq!(widened, ["break type-widened/U.A.f/out"]);
    }
}

/// Fields that are written in the variant and those of a message travel alike.
#[test]
fn fields_of_a_variant_may_become_a_message() {
    let fields = json!([{ "name": "A", "fields": [required("f", "i8")] }]);
    let message = json!([{ "name": "A", "message": "T" }]);
    for form in [beside, content] {
        assert!(unions(form(fields.clone()), form(message.clone()), &["json"]).is_empty());
        assert!(unions(form(message.clone()), form(fields.clone()), &["json"]).is_empty());
    }
}

/// Without `content` a variant without a value is one without fields.
#[test]
fn value_of_a_variant_may_appear_for_old_readers() {
    let (none, empty) = (json!([{ "name": "A" }]), json!([{ "name": "A", "fields": [] }]));
    assert!(unions(beside(none.clone()), beside(empty.clone()), &["json"]).is_empty());
    let appears = ["break type-changed/U.A/in"];
    assert_eq!(unions(content(none.clone()), content(empty.clone()), &["json"]), appears);
    let vanishes = ["break type-changed/U.A/in", "break type-changed/U.A/out"];
    assert_eq!(unions(content(empty), content(none), &["json"]), vanishes);
    let (none, empty) =
        (json!([{ "name": "A", "tag": 1 }]), json!([{ "name": "A", "tag": 1, "message": "P" }]));
    assert!(unions(tagged(none), tagged(empty), &["protobuf"]).is_empty());
}

#[test]
fn type_of_a_variant_is_compared() {
    let def = |ty: &str| content(json!([{ "name": "A", "message": ty }]));
    assert_eq!(unions(def("i8"), def("i16"), &["json"]), ["break type-widened/U.A/out"]);
    assert_eq!(unions(def("i16"), def("i8"), &["json"]), ["break type-narrowed/U.A/in"]);
    let both = ["break type-changed/U.A/in", "break type-changed/U.A/out"];
    assert_eq!(unions(def("i8"), def("T"), &["json"]), both);
    let tagged = |ty: &str| tagged(json!([{ "name": "A", "tag": 1, "message": ty }]));
    let wire = ["break encoding-changed/U.A/in", "break encoding-changed/U.A/out"];
    assert_eq!(unions(tagged("f32"), tagged("f64"), &["protobuf"]), wire);
}

#[test]
fn order_of_later_variants_does_not_matter() {
    let (old, new) = (json!(["A", "B", "C"]), json!(["A", "C", "B"]));
    let def = |names: Value| {
        let names = names.as_array().unwrap().iter();
        beside(names.map(|name| json!({ "name": name })).collect())
    };
    assert!(unions(def(old), def(new), &["json"]).is_empty());
}

/// A field that may be absent means the first variant then, also as a part of a message.
#[test]
fn union_with_another_first_variant_breaks_defaults() {
    let schema = |fields: Value, first: &str, second: &str| {
        let mut schema = types(fields, &["json"]);
        schema["types"]["U"] = beside(json!([{ "name": first }, { "name": second }]));
        schema["types"]["M"] =
            json!({ "fields": [required("u", "U"), { "name": "m", "type": { "opt": "M" } }] });
        schema
    };
    let both = ["break default-changed/T.f/in", "break default-changed/T.f/out"];
    for absent in ["U", "M"] {
        let field = json!([{ "name": "f", "type": absent }]);
        assert_eq!(found(schema(field.clone(), "A", "B"), schema(field, "B", "A")), both, "{absent}");
        let field = json!([required("f", absent)]);
        assert!(found(schema(field.clone(), "A", "B"), schema(field, "B", "A")).is_empty(), "{absent}");
    }
}

/// The first variant has the defaults of its fields.
#[test]
fn defaults_within_the_first_variant_are_compared() {
    let schema = |variant: Value, values: [&str; 2]| {
        let mut schema = types(json!([{ "name": "f", "type": "U" }]), &["json"]);
        schema["types"]["U"] = beside(json!([variant]));
        schema["types"]["M"] = json!({ "fields": [required("e", "E")] });
        let values: Vec<_> =
            (0..).zip(values).map(|(number, name)| json!({ "name": name, "number": number })).collect();
        schema["types"]["E"] = json!({ "repr": "name", "enum": values });
        schema
    };
    let both = ["break default-changed/T.f/in", "break default-changed/T.f/out"];
    let fields = json!({ "name": "A", "fields": [required("e", "E")] });
    for variant in [fields, json!({ "name": "A", "message": "M" })] {
        let (old, new) = (schema(variant.clone(), ["X", "Y"]), schema(variant, ["Y", "X"]));
        assert_eq!(found(old, new), both);
    }
}

#[test]
fn message_that_becomes_a_union_breaks() {
    let both = ["break type-changed/a.b.c/in", "break type-changed/a.b.c/out"];
    for other in [json!({ "fields": [] }), json!({ "enum": [{ "name": "A", "number": 0 }] })] {
        let union = beside(json!([{ "name": "A" }]));
        assert_eq!(unions(other.clone(), union.clone(), &["json"]), both);
        assert_eq!(unions(union, other, &["json"]), both);
    }
}

#[test]
fn union_that_nests_in_itself_is_compared_once() {
    let def = |ty: &str| {
        let fields = json!([{ "name": "next", "type": { "list": "U" } }, required("f", ty)]);
        beside(json!([{ "name": "A", "fields": fields }]))
    };
    assert_eq!(unions(def("i8"), def("i16"), &["json"]), ["break type-widened/U.A.f/out"]);
}

#[test]
fn entries_of_tuples_are_compared() {
    let tuple = |a: &str, b: &str| json!({ "tuple": [a, b] });
    assert_eq!(field_type(tuple("i8", "i8"), tuple("i8", "i16")), ["break type-widened/T.f/out"]);
    assert_eq!(field_type(tuple("i16", "i8"), tuple("i8", "i8")), ["break type-narrowed/T.f/in"]);
    let both = ["break type-changed/T.f/in", "break type-changed/T.f/out"];
    assert_eq!(field_type(tuple("i8", "i8"), tuple("string", "i8")), both);
    assert_eq!(field_type(tuple("i8", "i8"), json!({ "tuple": ["i8", "i8", "i8"] })), both);
    assert_eq!(field_type(tuple("i8", "i8"), json!({ "list": "i8" })), both);
}

/// A duration travels as an integer of 64 bits, so only code notices.
#[test]
fn duration_and_i64_are_the_same_on_the_wire() {
    let source = ["source type-changed/T.f/in", "source type-changed/T.f/out"];
    assert_eq!(field_type(json!("i64"), json!("duration")), source);
    assert_eq!(field_type(json!("duration"), json!("i64")), source);
    let tagged = |ty: &str| json!([{ "name": "f", "type": ty, "tag": 1 }]);
    assert_eq!(proto(tagged("i64"), tagged("duration")), source);
    assert_eq!(field_type(json!("i32"), json!("duration")), ["break type-widened/T.f/out"]);
    let both = ["break type-changed/T.f/in", "break type-changed/T.f/out"];
    assert_eq!(field_type(json!("string"), json!("duration")), both);
}
