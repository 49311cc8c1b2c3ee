//! Unions, tuples and durations in the schema file.

use pitaya_schema::{Field, Scalar, Schema, StructDef, Type, TypeDef, UnionDef, Variant, VariantBody};

const SHAPES: &str = include_str!("fixtures/shapes.json");

fn read(text: &str) -> Result<Schema, String> {
    Schema::from_json(text).map_err(|error| error.to_string())
}

/// Reads a schema with one type.
fn with(def: &str) -> Result<Schema, String> {
    read(&format!(r#"{{ "pitaya": 1, "types": {{ "Pos": {{ "fields": [] }}, "T": {def} }} }}"#))
}

#[test]
fn shapes_survive_reading_and_writing() {
    assert_eq!(read(SHAPES).unwrap().to_json(), SHAPES);
}

#[test]
fn union_is_read_with_its_parts() {
    let schema = read(SHAPES).unwrap();
    let TypeDef::Union(input) = &schema.types["Input"] else { panic!("a union") };
    assert_eq!((input.key.as_str(), input.content.as_deref(), input.proto), ("type", Some("data"), true));
    let said = [Field::new("text", Scalar::String).tag(1), Field::new("after", Scalar::Duration).tag(2)];
    let expected = [
        Variant::new("Move", VariantBody::Message(Type::named("Move"))).tag(1),
        Variant {
            doc: "Says something.".to_owned(),
            ..Variant::new("Say", VariantBody::Fields(said.to_vec())).tag(2)
        },
        Variant::new("Score", VariantBody::Message(Scalar::U32.into())).tag(3),
        Variant::new("Stop", VariantBody::Unit).tag(5),
    ];
    assert_eq!(input.variants, expected);
}

#[test]
fn tuple_and_duration_are_shown_on_one_line() {
    let ty = Type::Tuple(vec![Scalar::Duration.into(), Type::List(Box::new(Type::named("A")))]);
    assert_eq!(ty.to_string(), "tuple of duration, list of A");
    assert!(!Scalar::Duration.is_integer() && Scalar::Duration.bits().is_none());
}

#[test]
fn wrong_unions_are_rejected_with_their_place() {
    let union = |variants: &str| format!(r#"{{ "union": [ {variants} ], "key": "type" }}"#);
    let proto = |variants: &str| {
        format!(r#"{{ "union": [ {variants} ], "key": "k", "content": "c", "proto": true }}"#)
    };
    for (def, expected) in [
        (r#"{ "union": [ { "name": "A" } ] }"#.to_owned(), "a union has a `key`"),
        (r#"{ "fields": [], "key": "type" }"#.to_owned(), "`key` and `content` are of a type with `union`"),
        (
            r#"{ "enum": [ { "name": "A", "number": 0 } ], "content": "c" }"#.to_owned(),
            "are of a type with `union`",
        ),
        (
            r#"{ "union": [ { "name": "A" } ], "key": "k", "repr": "name" }"#.to_owned(),
            "`repr` is of a type with `enum`",
        ),
        (r#"{ "union": [ { "name": "A" } ], "key": "k", "fields": [] }"#.to_owned(), "a type has one of"),
        (union(r#"{ "name": "A", "fields": [], "message": "Pos" }"#), "either `fields` or `message`"),
        (union(""), "types.T: a union has a variant"),
        (union(r#"{ "name": "A" }, { "name": "A" }"#), "types.T.union.A: two variants have this name"),
        (
            r#"{ "union": [ { "name": "A" } ], "key": "" }"#.to_owned(),
            "types.T: the `key` of a union is not empty",
        ),
        (
            r#"{ "union": [ { "name": "A" } ], "key": "k", "content": "" }"#.to_owned(),
            "types.T: the `content` of a union is not empty",
        ),
        (
            r#"{ "union": [ { "name": "A" } ], "key": "k", "content": "k" }"#.to_owned(),
            "types.T: `key` and `content` are one name",
        ),
        (
            union(r#"{ "name": "A", "message": "u8" }"#),
            "types.T.union.A: the value of a variant without `content` is a message with fields",
        ),
        (union(r#"{ "name": "A", "message": "T" }"#), "without `content` is a message with fields"),
        (
            union(r#"{ "name": "A", "message": "Gone" }"#),
            "types.T.union.A: the type `Gone` is not in `types`",
        ),
        (
            union(r#"{ "name": "A", "fields": [ { "name": "type", "type": "u8" } ] }"#),
            "types.T.union.A: the key `type` is the name of a field too",
        ),
        (
            union(
                r#"{ "name": "A", "fields": [ { "name": "x", "type": "u8" }, { "name": "x", "type": "u8" } ] }"#,
            ),
            "types.T.union.A.fields.x: two fields have this name",
        ),
        (union(r#"{ "name": "A", "tag": 1 }"#), "types.T.union.A: a tag is for messages with `proto`"),
        (proto(r#"{ "name": "A" }"#), "types.T.union.A: a variant of a message with `proto` has a tag"),
        (proto(r#"{ "name": "A", "tag": 19000 }"#), "types.T.union.A: 19000 is an invalid Protobuf tag"),
        (
            proto(r#"{ "name": "A", "tag": 1 }, { "name": "B", "tag": 1 }"#),
            "types.T.union.B: two variants have the tag 1",
        ),
        (
            proto(r#"{ "name": "A", "tag": 1, "fields": [ { "name": "x", "type": "u8" } ] }"#),
            "types.T.union.A.fields.x: a field of a message with `proto` has a tag",
        ),
        (
            proto(r#"{ "name": "A", "tag": 1, "message": { "list": "u8" } }"#),
            "types.T.union.A: a list of u8 cannot be in a `oneof` of Protobuf",
        ),
        (proto(r#"{ "name": "A", "tag": 1, "message": "any" }"#), "a any cannot be in a `oneof`"),
    ] {
        let error = with(&def).unwrap_err();
        assert!(error.starts_with("invalid schema:") && error.contains(expected), "{def}: {error}");
    }
}

/// Names of fields and the key are in different objects.
#[test]
fn union_with_content_may_have_the_key_as_a_field() {
    let def = r#"{ "union": [ { "name": "A", "fields": [ { "name": "k", "type": "u8" } ] },
                              { "name": "B", "message": { "list": "T" } } ], "key": "k", "content": "c" }"#;
    assert!(with(def).is_ok());
}

#[test]
fn wrong_tuples_are_rejected_with_their_place() {
    let field = |ty: &str, more: &str| {
        with(&format!(
            r#"{{ "fields": [ {{ "name": "x", "type": {ty}, "tag": 1 }} ], "proto": true{more} }}"#
        ))
    };
    let plain = |ty: &str| with(&format!(r#"{{ "fields": [ {{ "name": "x", "type": {ty} }} ] }}"#));
    let wide = |count: usize| format!("{{ \"tuple\": [{}] }}", vec!["\"u8\""; count].join(", "));
    for count in [0, 1, 13] {
        let error = plain(&wide(count)).unwrap_err();
        assert!(error.contains("types.T.fields.x: a tuple has 2 to 12 entries"), "{error}");
    }
    assert!(plain(&wide(2)).is_ok() && plain(&wide(12)).is_ok());
    let error = plain(r#"{ "tuple": ["u8", "Gone"] }"#).unwrap_err();
    assert!(error.contains("the type `Gone` is not in `types`"), "{error}");
    let error = plain(r#"{ "map": [{ "tuple": ["u8", "u8"] }, "u8"] }"#).unwrap_err();
    assert!(error.contains("a tuple of u8, u8 cannot be the key of a map"), "{error}");
    let error = field(r#"{ "list": { "tuple": ["u8", "u8"] } }"#, "").unwrap_err();
    assert!(error.contains("types.T.fields.x: a tuple has no Protobuf form"), "{error}");
    assert!(field("\"duration\"", "").is_ok());
}

#[test]
fn durations_and_unions_are_no_keys_of_maps() {
    let mut schema = read(SHAPES).unwrap();
    for key in [Scalar::Duration.into(), Type::named("Input")] {
        let map = Type::Map(Box::new(key.clone()), Box::new(Scalar::U8.into()));
        let fields = vec![Field::new("x", map)];
        schema.types.insert("Keys".to_owned(), TypeDef::Struct(StructDef { fields, ..StructDef::default() }));
        let problems = schema.check();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].text, format!("a {key} cannot be the key of a map"));
    }
}

#[test]
fn types_of_unions_are_reached() {
    let schema = read(SHAPES).unwrap();
    let nested = [Type::Opt(Box::new(Type::named("Input")))];
    assert_eq!(schema.reached(&nested).into_iter().collect::<Vec<_>>(), ["Input", "Move"]);
    let nested = [Type::Tuple(vec![Scalar::U8.into(), Type::named("Shape")])];
    assert_eq!(schema.reached(&nested).into_iter().collect::<Vec<_>>(), ["Item", "Shape"]);
    assert!(schema.types["Input"].is_proto() && !schema.types["Shape"].is_proto());
    assert_eq!(TypeDef::Union(UnionDef::default()).types().count(), 0);
}
