//! Handlers, pushes, errors, the dictionary and the serializers.

use serde_json::{Value, json};

use super::*;

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
