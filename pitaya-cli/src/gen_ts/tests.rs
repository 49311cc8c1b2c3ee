//! The generated text. `clients/typescript/tests` compiles it and talks to servers with it.

use std::path::PathBuf;

use pitaya_schema::Schema;

use super::{GenError, Int64, Options, generate};

/// Compares the text of a schema with the committed one. `BLESS=1` writes it.
fn snapshot(schema: &str, options: &Options, file: &str) {
    let text = generate(&Schema::from_json(schema).unwrap(), options).unwrap();
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../clients/typescript/tests/generated").join(file);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "{} is not what the generator writes: run with BLESS=1", path.display());
}

fn schema(handlers: &str, types: &str) -> String {
    format!(r#"{{ "pitaya": 1, "name": "game", "types": {{ {types} }}, "handlers": {{ {handlers} }} }}"#)
}

fn generated(text: &str) -> Result<String, GenError> {
    generate(&Schema::from_json(text).unwrap(), &Options::default())
}

#[test]
fn every_feature_is_generated() {
    let text = include_str!("../../../pitaya-schema/tests/fixtures/every-feature.json");
    snapshot(text, &Options::default(), "every-feature.ts");
}

#[test]
fn shapes_are_generated() {
    let text = include_str!("../../../pitaya-schema/tests/fixtures/shapes.json");
    snapshot(text, &Options::default(), "shapes.ts");
}

#[test]
fn names_that_need_care_are_generated() {
    snapshot(include_str!("names.json"), &Options::default(), "names.ts");
}

#[test]
fn bench_server_is_generated() {
    snapshot(include_str!("bench.json"), &Options::default(), "bench.ts");
}

#[test]
fn text_depends_on_the_schema_alone() {
    let text = include_str!("names.json");
    assert_eq!(generated(text), generated(text));
}

#[test]
fn int64_follows_the_serializers_or_the_option() {
    let text = |serializers: &str| {
        let all = schema(
            r#""a.b.c": { "message": "M" }"#,
            r#""M": { "fields": [ { "name": "n", "type": "u64", "required": true } ] }"#,
        );
        all.replacen("\"pitaya\": 1", &format!("\"pitaya\": 1, \"serializers\": {serializers}"), 1)
    };
    let of = |serializers: &str, int64| {
        let options = Options { int64, name: None };
        let out = generate(&Schema::from_json(&text(serializers)).unwrap(), &options).unwrap();
        (out.contains("n: bigint;"), out.contains("int64: \"bigint\""))
    };
    assert_eq!(of("[]", Int64::Auto), (false, false));
    assert_eq!(of(r#"["json"]"#, Int64::Auto), (false, false));
    assert_eq!(of(r#"["json", "msgpack"]"#, Int64::Auto), (true, true));
    assert_eq!(of(r#"["json", "msgpack"]"#, Int64::Number), (false, false));
    assert_eq!(of(r#"["json"]"#, Int64::BigInt), (true, true));
}

#[test]
fn a_field_that_is_only_sent_may_be_left_out() {
    let types = r#""M": { "fields": [ { "name": "n", "type": "i32" } ] }"#;
    let sent = generated(&schema(r#""a.b.c": { "message": "M" }"#, types)).unwrap();
    assert!(sent.contains("n?: number | undefined;"), "{sent}");
    let both = generated(&schema(r#""a.b.c": { "message": "M", "reply": "M" }"#, types)).unwrap();
    assert!(both.contains("  n: number;"), "{both}");
}

#[test]
fn types_that_clients_do_not_see_are_left_out() {
    let types = r#""Hidden": { "fields": [] }, "Seen": { "fields": [] }"#;
    let text = generated(&schema(r#""a.b.c": { "reply": "Seen" }"#, types)).unwrap();
    assert!(text.contains("interface Seen") && !text.contains("Hidden"), "{text}");
}

#[test]
fn name_of_the_export_may_be_chosen() {
    let read = Schema::from_json(&schema("", "")).unwrap();
    let with = |name: &str| generate(&read, &Options { name: Some(name.to_owned()), ..Options::default() });
    assert!(with("Other").unwrap().contains("export const Other: pitaya.Schema<OtherClient>"));
    for wrong in ["", "a-b", "1a", "ä", "a;b"] {
        assert!(with(wrong).is_err(), "{wrong}");
    }
    let named = |name: &str| {
        let text = schema("", "").replace("\"game\"", &format!("\"{name}\""));
        let text = generated(&text).unwrap();
        text.split_once("export const ").unwrap().1.split_once(':').unwrap().0.to_owned()
    };
    assert_eq!(named("my-game_server"), "MyGameServer");
    assert_eq!(named("2048"), "_2048");
    assert_eq!(named("日本"), "Server");
    assert_eq!(named("new"), "New");
}

#[test]
fn a_name_that_sets_the_prototype_is_refused() {
    for (handlers, types) in [
        ("", r#""M": { "fields": [ { "name": "__proto__", "type": "i32" } ] }"#),
        ("", r#""M": { "enum": [ { "name": "__proto__", "number": 0 } ] }"#),
    ] {
        let error = generated(&schema(handlers, types)).unwrap_err().to_string();
        assert!(error.contains("`__proto__` cannot be a name"), "{error}");
    }
    for part in [
        r#""union": [ { "name": "__proto__" } ], "key": "k""#,
        r#""union": [ { "name": "A" } ], "key": "__proto__""#,
        r#""union": [ { "name": "A" } ], "key": "k", "content": "__proto__""#,
        r#""union": [ { "name": "A", "fields": [ { "name": "__proto__", "type": "i32" } ] } ], "key": "k""#,
    ] {
        let error = generated(&schema("", &format!("\"M\": {{ {part} }}"))).unwrap_err().to_string();
        assert!(error.contains("`__proto__` cannot be a name"), "{error}");
    }
    let push = schema("", r#""M": { "fields": [] }"#)
        .replace("\"types\"", "\"pushes\": { \"__proto__\": { \"message\": \"M\" } }, \"types\"");
    assert!(generated(&push).is_err());
}

#[test]
fn key_that_the_runtime_uses_is_refused() {
    let types = r#""M": { "union": [ { "name": "A" } ], "key": "$unknown" }"#;
    let error = generated(&schema("", types)).unwrap_err().to_string();
    assert_eq!(error, "type `M`: the runtime uses the key `$unknown`: rename it");
}

#[test]
fn field_of_a_sent_variant_may_be_left_out() {
    let types =
        r#""M": { "union": [ { "name": "A", "fields": [ { "name": "n", "type": "i32" } ] } ], "key": "k" }"#;
    let sent = generated(&schema(r#""a.b.c": { "message": "M" }"#, types)).unwrap();
    assert!(sent.contains("n?: number | undefined;"), "{sent}");
    let both = generated(&schema(r#""a.b.c": { "message": "M", "reply": "M" }"#, types)).unwrap();
    assert!(both.contains(" n: number;"), "{both}");
}

#[test]
fn documentation_cannot_end_its_comment() {
    let types = r#""M": { "doc": "a */ b\n\n  c", "fields": [] }"#;
    let text = generated(&schema(r#""a.b.c": { "message": "M" }"#, types)).unwrap();
    assert!(text.contains("/**\n * a *\\/ b\n *\n *   c\n */\nexport interface M"), "{text}");
}

#[test]
fn links_of_rustdoc_become_text() {
    let doc = "See [`Join`], [`room`](fn@room) and [the page](x); `a[`b.";
    let text = generated(&schema(
        r#""a.b.c": { "message": "M" }"#,
        &format!(r#""M": {{ "doc": "{doc}", "fields": [] }}"#),
    ));
    let text = text.unwrap();
    assert!(text.contains("/** See `Join`, `room` and [the page](x); `a[`b. */"), "{text}");
}

#[test]
fn a_large_schema_with_cycles_is_generated_in_time() {
    let types: Vec<String> = (0..10_000)
        .map(|n| {
            let next = (n + 1) % 10_000;
            format!(r#""T{n}": {{ "fields": [ {{ "name": "next", "type": {{ "opt": "T{next}" }} }} ] }}"#)
        })
        .collect();
    let started = std::time::Instant::now();
    let text = generated(&schema(r#""a.b.c": { "message": "T0" }"#, &types.join(","))).unwrap();
    assert!(text.contains("interface T9999 "));
    assert!(started.elapsed().as_secs() < 20);
}
