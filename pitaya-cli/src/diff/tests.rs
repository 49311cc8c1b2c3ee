//! Each rule with a pair of schemas.

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

/// Servers read an integer of a text field as a number too.
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
        assert_eq!(found(schema(absent(), repr, ab), schema(absent(), repr, ba)), both);
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
fn route_that_is_removed_or_renamed_breaks() {
    let mut old = handler(json!({ "message": "T" }));
    old["handlers"]["a.b.d"] = json!({ "message": "T", "reply": "U" });
    let removed = handler(json!({ "message": "T" }));
    assert_eq!(found(old.clone(), removed.clone()), ["break route-removed/a.b.d"]);
    let mut renamed = removed;
    renamed["handlers"]["a.b.e"] = json!({ "message": "T", "reply": "U" });
    let findings = diff(&schema(old), &schema(renamed));
    assert_eq!((findings.len(), findings[0].new.as_str()), (1, "a.b.e?"));
}

#[test]
fn route_that_is_added_is_compatible() {
    let mut new = handler(json!({}));
    new["handlers"]["a.b.d"] = json!({});
    assert!(found(handler(json!({})), new).is_empty());
}

#[test]
fn request_that_becomes_a_notify_breaks() {
    let (request, notify) = (handler(json!({ "reply": "T" })), handler(json!({ "notify": true })));
    assert_eq!(found(request.clone(), notify.clone()), ["break route-kind/a.b.c"]);
    assert_eq!(found(notify, request), ["break route-kind/a.b.c"]);
}

#[test]
fn raw_body_that_becomes_typed_breaks() {
    for side in ["message", "reply"] {
        let (raw, typed) = (handler(json!({ side: "bytes" })), handler(json!({ side: "T" })));
        assert_eq!(found(raw.clone(), typed.clone()), ["break route-raw/a.b.c"]);
        assert_eq!(found(typed, raw), ["break route-raw/a.b.c"]);
    }
}

#[test]
fn another_type_of_the_same_shape_concerns_sources() {
    for side in ["message", "reply"] {
        let (old, new) = (handler(json!({ side: "T" })), handler(json!({ side: "U" })));
        assert_eq!(found(old, new), ["source type-renamed/T"]);
    }
}

#[test]
fn another_type_is_compared_by_its_fields() {
    let old = handler(json!({ "message": "T" }));
    let mut new = handler(json!({ "message": "U" }));
    new["types"]["U"]["fields"] = json!([required("f", "i8"), required("g", "i8")]);
    assert_eq!(found(old, new), ["break field-added/T.g/in", "source type-renamed/T"]);
}

#[test]
fn body_that_appears_or_disappears() {
    let (none, message, reply) =
        (handler(json!({})), handler(json!({ "message": "T" })), handler(json!({ "reply": "T" })));
    assert_eq!(found(none.clone(), message.clone()), ["break route-message/a.b.c"]);
    assert_eq!(found(message, none.clone()), ["note route-message/a.b.c"]);
    assert_eq!(found(none.clone(), reply.clone()), ["note route-reply/a.b.c"]);
    assert_eq!(found(reply, none), ["break route-reply/a.b.c"]);
}

fn push(push: Value) -> Value {
    json!({
        "pitaya": 1, "types": { "T": { "fields": [required("f", "i8")] }, "U": { "fields": [optional("f", "i8")] } },
        "pushes": { "onIt": push },
    })
}

#[test]
fn push_that_is_removed_breaks() {
    let mut none = push(json!({ "message": "T" }));
    none["pushes"] = json!({});
    assert_eq!(found(push(json!({ "message": "T" })), none.clone()), ["break push-removed/onIt"]);
    assert!(found(none, push(json!({ "message": "T" }))).is_empty());
}

#[test]
fn push_that_is_no_longer_reliable_breaks() {
    let (reliable, latest) =
        (push(json!({ "message": "T" })), push(json!({ "message": "T", "class": "latest" })));
    assert_eq!(found(reliable.clone(), latest.clone()), ["break push-class/onIt"]);
    assert!(found(latest, reliable).is_empty());
}

#[test]
fn message_of_a_push_travels_out() {
    let (old, new) = (push(json!({ "message": "T" })), push(json!({ "message": "U" })));
    assert_eq!(found(old.clone(), new.clone()), ["break field-optional/T.f/out", "source type-renamed/T"]);
    assert_eq!(found(new, old), ["source type-renamed/U"]);
    assert_eq!(
        found(push(json!({ "message": "T" })), push(json!({ "message": "bytes" }))),
        ["break route-raw/onIt"]
    );
}

#[test]
fn dictionary_code_that_moves_or_is_reused_breaks() {
    let dictionary = |dictionary: Value| json!({ "pitaya": 1, "dictionary": dictionary });
    let old = dictionary(json!({ "a.b.c": 1 }));
    let changed = ["break dictionary-changed/a.b.c"];
    assert_eq!(found(old.clone(), dictionary(json!({ "a.b.c": 2 }))), changed);
    assert_eq!(found(old.clone(), dictionary(json!({ "a.b.d": 1 }))), changed);
    assert_eq!(found(old.clone(), dictionary(json!({}))), ["note dictionary-removed/a.b.c"]);
    assert!(found(old, dictionary(json!({ "a.b.c": 1, "a.b.d": 2 }))).is_empty());
}

#[test]
fn error_code_that_is_added_to_a_closed_set_is_noted() {
    let errors = |codes: Value| handler(json!({ "errors": codes }));
    let noted = ["note error-added/a.b.c"];
    assert_eq!(found(errors(json!(["E-1"])), errors(json!(["E-1", "E-2"]))), noted);
    assert_eq!(found(errors(json!(["E-1"])), handler(json!({}))), noted);
    assert!(found(errors(json!(["E-1", "E-2"])), errors(json!(["E-1"]))).is_empty());
    assert!(found(handler(json!({})), errors(json!([]))).is_empty());
}

#[test]
fn metadata_key_that_is_removed_breaks() {
    let errors = |keys: Value| json!({ "pitaya": 1, "errors": { "E-1": { "metadata": keys } } });
    assert_eq!(found(errors(json!(["k"])), errors(json!([]))), ["break metadata-removed/E-1.k/out"]);
    assert!(found(errors(json!([])), errors(json!(["k"]))).is_empty());
}

#[test]
fn serializer_that_is_removed_breaks() {
    let schema = |serializers: Value| json!({ "pitaya": 1, "serializers": serializers });
    let (both, one) = (schema(json!(["json", "msgpack"])), schema(json!(["json"])));
    assert_eq!(found(both.clone(), one.clone()), ["break serializer-removed/msgpack"]);
    assert!(found(one, both).is_empty());
}

#[test]
fn package_concerns_sources() {
    let schema = |package: &str| json!({ "pitaya": 1, "package": package });
    assert_eq!(found(schema("a"), schema("b")), ["source package-changed/package"]);
}

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

#[test]
fn every_rule_has_a_row() {
    let tests = include_str!("tests.rs");
    for rule in Rule::ALL {
        assert!(tests.contains(&format!(" {}/", rule.as_str())), "no test for {}", rule.as_str());
    }
}

#[test]
fn accepted_findings_are_split_off() {
    let old = schema(types(json!([optional("f", "i8")]), &["json"]));
    let new = schema(types(json!([optional("f", "string")]), &["json"]));
    let allowed =
        Allowed::parse("# reviewed\ntype-changed/T.f/in  # old clients are gone\n\nfield-added/T.x/in\n")
            .unwrap();
    let (left, accepted) = allowed.split(diff(&old, &new));
    assert_eq!(left.iter().map(Finding::id).collect::<Vec<_>>(), ["type-changed/T.f/out"]);
    assert_eq!(accepted.iter().map(Finding::id).collect::<Vec<_>>(), ["type-changed/T.f/in"]);
    assert_eq!(allowed.unused(&accepted), ["field-added/T.x/in"]);
}

#[test]
fn line_that_is_no_id_is_rejected() {
    for text in ["\nnonsense", "\nno-rule/T.f/in", "\nfield-added"] {
        let error = Allowed::parse(text).unwrap_err();
        assert_eq!((error.line, error.text.as_str()), (2, text.trim()));
    }
}

#[test]
fn report_names_the_place_both_values_and_the_way_out() {
    let old = schema(types(json!([required("f", "i64")]), &["json"]));
    let new = schema(types(json!([required("f", "i32")]), &["json"]));
    let findings = diff(&old, &new);
    assert_eq!(
        to_text(&findings),
        "break  T.f: i64 -> i32 (in: old callers send, new servers read)\n       The server rejects values that old \
         callers send. Keep the type and check the value in the handler.\n       id: type-narrowed/T.f/in\n"
    );
    let report = to_json(&findings, &[], Severity::Break);
    assert_eq!(report["breaking"], 1);
    assert_eq!(report["findings"][0]["id"], "type-narrowed/T.f/in");
    assert_eq!(report["findings"][0]["direction"], "in");
}
