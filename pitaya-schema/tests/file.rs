//! Reading and writing the schema file.

use pitaya_schema::{Field, ReadError, Scalar, Schema, StructDef, Type, TypeDef};

const EVERY_FEATURE: &str = include_str!("fixtures/every-feature.json");

fn read(text: &str) -> Result<Schema, String> {
    Schema::from_json(text).map_err(|error| error.to_string())
}

/// Replaces a text that is there, so that a test cannot miss its mistake.
fn broken(from: &str, to: &str) -> String {
    assert!(EVERY_FEATURE.contains(from), "{from}");
    EVERY_FEATURE.replacen(from, to, 1)
}

#[test]
fn fixture_survives_reading_and_writing() {
    assert_eq!(read(EVERY_FEATURE).unwrap().to_json(), EVERY_FEATURE);
}

#[test]
fn text_without_json_is_rejected() {
    for text in ["", "{", "hello", "{\"pitaya\": 1,}"] {
        assert!(matches!(Schema::from_json(text), Err(ReadError::NotJson(_))), "{text}");
    }
    let error = read("{\n  \"pitaya\": 1,\n}").unwrap_err();
    assert_eq!(error, "invalid JSON: trailing comma at line 3 column 1");
}

#[test]
fn json_without_version_is_rejected() {
    for text in [
        "[]",
        "1",
        "{}",
        "{\"name\": \"chat\"}",
        "{\"pitaya\": \"1\"}",
        "{\"pitaya\": 0}",
        "{\"pitaya\": -1}",
    ] {
        assert!(matches!(Schema::from_json(text), Err(ReadError::NotASchema)), "{text}");
    }
}

/// A newer file may have keys that this version does not know, so its version is checked first.
#[test]
fn newer_version_is_rejected_by_its_number() {
    let error = read("{\"pitaya\": 7, \"worlds\": {}}").unwrap_err();
    assert_eq!(error, "unsupported version 7 of the schema format: this program reads up to 1; update it");
}

#[test]
fn wrong_shapes_are_rejected_with_their_place() {
    for (from, to, expected) in [
        ("\"required\": true", "\"require\": true", "unknown field `require`"),
        (
            "\"name\": \"every-feature\"",
            "\"name\": 7",
            "invalid type: integer `7`, expected a string at line 3",
        ),
        ("\"enum\": [", "\"fields\": [], \"enum\": [", "a type has one of `fields`, `enum` and `union`"),
        (
            "\"opt\": \"string\"",
            "\"list\": \"i8\", \"opt\": \"string\"",
            "a type has one of `list` and `opt`",
        ),
        (
            "\"opt\": \"string\"",
            "\"set\": \"string\"",
            "unknown field `set`, expected one of `list`, `map`, `tuple`, `opt`, `text`",
        ),
        ("\"text\": \"i64\"", "\"text\": \"string\"", "`text` is of `i64` or `u64`, and not of `string`"),
        ("\"type\": {\n            \"opt\": \"string\"\n          }", "\"type\": {}", "expected a type"),
        ("\"repr\": \"name\"", "\"proto\": true", "an enum has no `proto`"),
        (
            "\"class\": \"latest\"",
            "\"class\": \"newest\"",
            "unknown variant `newest`, expected `reliable` or `latest`",
        ),
        ("\"onMembers\": 2", "\"onMembers\": 65536", "expected u16"),
    ] {
        let error = read(&broken(from, to)).unwrap_err();
        assert!(error.starts_with("invalid schema: ") && error.contains(expected), "{error}");
        assert!(error.contains(" at line "), "{error}");
    }
}

#[test]
fn contradictions_are_rejected_with_their_place() {
    for (from, to, expected) in [
        (
            "\"message\": \"Join\"",
            "\"message\": \"Jion\"",
            "handlers.connector.entry.join: the type `Jion` is not in `types`",
        ),
        (
            "\"list\": \"Item\"",
            "\"list\": \"itme\"",
            "types.Everything.fields.items: the type `itme` is not in `types`",
        ),
        (
            "\"name\": \"tiny\"",
            "\"name\": \"flag\"",
            "types.Everything.fields.flag: two fields have this name",
        ),
        ("\"tag\": 2", "\"tag\": 1", "types.Move.fields.y: two fields have the tag 1"),
        ("\"tag\": 2", "\"tag\": 19500", "types.Move.fields.y: 19500 is an invalid Protobuf tag"),
        ("\"tag\": 2,", "", "types.Move.fields.y: a field of a message with `proto` has a tag"),
        ("\"number\": 7", "\"number\": 1", "types.Mode.enum.Free_For_All: two values have the number 1"),
        ("\"name\": \"Team\"", "\"name\": \"Solo\"", "types.Mode.enum.Solo: two values have this name"),
        (
            "\"encoding\": \"sint32\"",
            "\"encoding\": \"fixed32\"",
            "types.Move.fields.x: the encoding `fixed32` is not one of i32",
        ),
        (
            "\"u32\",\n              \"Item\"",
            "\"Item\",\n              \"u32\"",
            "types.Everything.fields.slots: a Item cannot be the key of a map",
        ),
        (
            "\"GAME-001\",",
            "\"GAME-009\",",
            "handlers.connector.entry.join: the error `GAME-009` is not in `errors`",
        ),
        ("\"onMembers\": 2", "\"onMembers\": 1", "dictionary.onMembers: code 1 is of another route too"),
        ("\"info.now\"", "\"now\"", "handlers.now: a route is `server.service.method` or `service.method`"),
        (
            "\"notify\": true",
            "\"notify\": true, \"reply\": \"Join\"",
            "a method with `notify` has no `reply`",
        ),
        ("\"Target\": {", "\"string\": {", "types.string: the format has a type of this name"),
    ] {
        let error = read(&broken(from, to)).unwrap_err();
        assert!(
            error.contains(&format!("\n  {expected}")) || error.contains(expected),
            "{expected}\n{error}"
        );
    }
}

#[test]
fn name_that_is_there_twice_is_rejected() {
    for (section, name) in
        [("types", "Item"), ("handlers", "info.now"), ("pushes", "position"), ("errors", "GAME-001")]
    {
        let text = broken(
            &format!("  \"{section}\": {{"),
            &format!(
                "  \"{section}\": {{ \"{name}\": {}, ",
                match section {
                    "types" => "{ \"fields\": [] }",
                    "pushes" => "{ \"message\": \"Item\" }",
                    _ => "{}",
                }
            ),
        );
        let error = read(&text).unwrap_err();
        assert!(error.contains(&format!("the name `{name}` is there twice")), "{error}");
    }
}

/// All problems are reported together, but not thousands of lines.
#[test]
fn problems_are_reported_together_up_to_a_limit() {
    let mut schema = Schema::new("broken");
    for i in 0..1000 {
        let def =
            StructDef { fields: vec![Field::new("next", Type::named("Missing"))], ..StructDef::default() };
        schema.types.insert(format!("T{i}"), TypeDef::Struct(def));
    }
    let error = read(&schema.to_json()).unwrap_err();
    assert_eq!(error.lines().count(), 22);
    assert!(error.ends_with("\n  and 980 more"), "{error}");
}

#[test]
fn schema_of_ten_thousand_types_is_read() {
    let mut schema = Schema::new("large");
    for i in 0..10_000 {
        // A cycle through all of them.
        let next = Type::Opt(Box::new(Type::named(format!("T{}", (i + 1) % 10_000))));
        let fields = vec![Field::new("next", next), Field::new("id", Scalar::U64).required()];
        schema.types.insert(format!("T{i}"), TypeDef::Struct(StructDef { fields, ..StructDef::default() }));
    }
    let read = read(&schema.to_json()).unwrap();
    assert_eq!(read, schema);
    assert_eq!(read.reached([&Type::named("T5")]).len(), 10_000);
}

/// Recursion in the text is bounded, so that no file overflows the stack.
#[test]
fn deeply_nested_type_is_rejected() {
    let nested = format!("{}\"i8\"{}", "{ \"list\": ".repeat(100_000), " }".repeat(100_000));
    let error = read(&broken("{\n            \"opt\": \"string\"\n          }", &nested)).unwrap_err();
    assert!(error.contains("recursion limit exceeded"), "{error}");
}
