use std::path::Path;

use pitaya_schema::Schema;

use super::*;

const SCHEMA: &str = r#"{ "pitaya": 1, "name": "game", "package": "game", "types": {
    "Mode": { "doc": "How to play.", "enum": [ { "name": "Solo", "number": 0, "doc": "Alone." }, { "name": "TeamPlay", "number": 2 } ] },
    "Kind": { "enum": [ { "name": "Solo", "number": 1 } ] },
    "Hidden": { "enum": [ { "name": "A", "number": 0 } ] },
    "Page": { "fields": [ { "name": "hidden", "type": "Hidden" } ] },
    "Input": { "proto": true, "key": "type", "content": "data", "doc": "What a player does.", "union": [
        { "name": "MoveTo", "doc": "Walks.", "tag": 1, "fields": [ { "name": "x", "type": "f32", "tag": 1 } ] },
        { "name": "Ask", "tag": 2, "message": "Inner" },
        { "name": "Stop", "tag": 3 },
        { "name": "Wait", "tag": 5, "message": "duration" } ] },
    "Inner": { "proto": true, "fields": [ { "name": "id", "type": "u64", "tag": 1 } ] },
    "All": { "proto": true, "doc": "Everything.\n\nIn two paragraphs.", "fields": [
        { "name": "name", "type": "string", "tag": 1, "doc": "The name." },
        { "name": "delta", "type": "i32", "tag": 2, "encoding": "sint32" },
        { "name": "mode", "type": "Mode", "tag": 3 },
        { "name": "kind", "type": { "opt": "Kind" }, "tag": 4 },
        { "name": "inner", "type": { "opt": "Inner" }, "tag": 5 },
        { "name": "score", "type": { "opt": "i64" }, "tag": 6 },
        { "name": "ids", "type": { "list": "u32" }, "tag": 7 },
        { "name": "high_scores", "type": { "map": ["string", "Inner"] }, "tag": 8 },
        { "name": "blob", "type": { "list": "u8" }, "tag": 9, "encoding": "bytes" },
        { "name": "friends", "type": { "list": "Inner" }, "tag": 10 },
        { "name": "near", "type": { "map": ["i32", "i32"] }, "tag": 11, "encoding": "sint32" } ] } },
    "handlers": { "room.play": { "message": "All", "reply": "Inner" }, "room.page": { "message": "Page" },
                  "room.stop": { "notify": true } },
    "remotes": { "room.api.enter": { "message": "Inner" } },
    "pushes": { "onAll": { "message": "All" } } }"#;

const PROTO: &str = r#"syntax = "proto3";

package game;

// Handlers, which clients call:
//   room.play(All) returns (Inner)
//   room.stop(nothing)

// Remotes, which servers call:
//   room.api.enter(Inner) returns (nothing)

// Pushes, which the server sends:
//   onAll(All)

// Everything.
//
// In two paragraphs.
message All {
  // The name.
  string name = 1;
  sint32 delta = 2;
  Mode mode = 3;
  optional Kind kind = 4;
  Inner inner = 5;
  optional int64 score = 6;
  repeated uint32 ids = 7;
  map<string, Inner> high_scores = 8;
  bytes blob = 9;
  repeated Inner friends = 10;
  map<int32, sint32> near = 11;
}

message Inner {
  uint64 id = 1;
}

// What a player does.
message Input {
  message MoveTo {
    float x = 1;
  }

  message Stop {
  }

  oneof value {
    // Walks.
    MoveTo move_to = 1;
    Inner ask = 2;
    Stop stop = 3;
    int64 wait = 5;
  }
}

enum Kind {
  // No value: a number that the server refuses.
  KIND_UNSPECIFIED = 0;
  KIND_SOLO = 1;
}

// How to play.
enum Mode {
  // Alone.
  MODE_SOLO = 0;
  MODE_TEAM_PLAY = 2;
}
"#;

fn schema() -> Schema {
    Schema::from_json(SCHEMA).unwrap()
}

/// Compares the schema with a file of this text.
fn checked(text: &str) -> Result<Vec<Difference>, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("game.proto");
    std::fs::write(&file, text).unwrap();
    check(&schema(), &file, &[])
}

#[test]
fn schema_is_written_as_proto3() {
    assert_eq!(write(&schema()).unwrap(), PROTO);
}

#[test]
fn written_file_is_the_same_as_the_schema() {
    assert_eq!(checked(PROTO), Ok(vec![]));
}

#[test]
fn file_in_another_package_and_with_more_types_passes() {
    let text = PROTO.replace("package game;", "package other.name;");
    assert_eq!(checked(&(text + "message More { string a = 1; }\n")), Ok(vec![]));
}

#[test]
fn every_difference_is_found() {
    for (before, after, place, what) in [
        ("string name = 1;", "", "All.name", "no field with the number 1"),
        ("string name = 1;", "bytes name = 1;", "All.name", "`string` in the schema and `bytes` in the file"),
        ("sint32 delta", "int32 delta", "All.delta", "`sint32` in the schema and `int32` in the file"),
        ("optional int64 score", "int64 score", "All.score", "`optional int64` in the schema and `int64`"),
        ("repeated uint32 ids", "uint32 ids", "All.ids", "`repeated uint32` in the schema and `uint32`"),
        ("map<string, Inner>", "map<string, Mode>", "All.high_scores", "and `map<string, Mode>` in the file"),
        ("Inner inner = 5", "All inner = 5", "All.inner", "`Inner` in the schema and `All` in the file"),
        ("Inner inner = 5;", "oneof one { Inner inner = 5; }", "All.inner", "`Inner in a oneof` in the file"),
        ("float x = 1;", "double x = 1;", "Input.MoveTo.x", "`float` in the schema and `double` in the file"),
        ("Stop stop = 3;", "", "Input.stop", "no field with the number 3"),
        (
            "int64 wait = 5;\n  }",
            "}\n  int64 wait = 5;",
            "Input.wait",
            "`int64 in a oneof` in the schema and `int64`",
        ),
        ("bytes blob = 9;", "bytes blob = 9; bool more = 12;", "All.more", "no field with the number 12"),
        ("KIND_SOLO = 1;", "KIND_SOLO = 3;", "Kind.Solo", "no value with the number 1"),
        (
            "MODE_TEAM_PLAY = 2;",
            "MODE_TEAM_PLAY = 2; MODE_DUO = 3;",
            "Mode.MODE_DUO",
            "no value with the number 3",
        ),
        ("message Inner {\n  uint64 id = 1;\n}", "message All2 { }", "Inner", "no message of this name"),
    ] {
        assert!(PROTO.contains(before), "{before}");
        let mut text = PROTO.replacen(before, after, 1);
        if place == "Inner" {
            text = text
                .replace("Inner inner", "All2 inner")
                .replace("Inner>", "All2>")
                .replace("Inner ask", "All2 ask")
                .replace("repeated Inner", "repeated All2");
        }
        let found = checked(&text).unwrap();
        let seen =
            found.iter().any(|found| found.place == place && found.what.contains(what) && found.breaks);
        assert!(seen, "{after}: {found:#?}");
    }
}

#[test]
fn name_that_differs_is_a_note() {
    for (before, after, place) in
        [("string name = 1", "string title = 1", "All.name"), ("MODE_TEAM_PLAY", "TEAM", "Mode.TeamPlay")]
    {
        let found = checked(&PROTO.replace(before, after)).unwrap();
        assert_eq!((found.len(), found[0].place.as_str(), found[0].breaks), (1, place, false), "{found:?}");
    }
    // The prefix is a convention.
    assert_eq!(checked(&PROTO.replace("MODE_TEAM_PLAY", "TeamPlay")), Ok(vec![]));
}

#[test]
fn file_that_cannot_be_read_is_an_error() {
    let missing = check(&schema(), Path::new("/no/such.proto"), &[]).unwrap_err();
    assert!(missing.starts_with("/no/such.proto: "), "{missing}");
    for text in [
        "message {",
        "\u{0}\u{1}",
        "syntax = \"proto3\"; message A { B b = 1; }",
        "import \"missing.proto\";",
    ] {
        let error = checked(text).unwrap_err();
        assert!(error.contains("game.proto: "), "{error}");
    }
}

#[test]
fn imported_messages_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let (own, shared) = (folder.path().join("own"), folder.path().join("shared"));
    for folder in [&own, &shared] {
        std::fs::create_dir(folder).unwrap();
    }
    let inner = "message Inner {\n  uint64 id = 1;\n}\n";
    std::fs::write(shared.join("inner.proto"), format!("syntax = \"proto3\"; package game; {inner}"))
        .unwrap();
    let text = PROTO.replace(inner, "").replacen("package game;", "package game; import \"inner.proto\";", 1);
    let file = own.join("game.proto");
    std::fs::write(&file, text).unwrap();
    assert_eq!(check(&schema(), &file, &[shared]), Ok(vec![]));
    assert!(check(&schema(), &file, &[]).is_err());
}

#[test]
fn schema_without_protobuf_is_an_error() {
    let json = r#"{ "pitaya": 1, "types": { "A": { "fields": [] } } }"#;
    assert_eq!(write(&Schema::from_json(json).unwrap()), Err(WriteError::Empty));
}

#[test]
fn name_that_proto_cannot_have_is_an_error() {
    let json = |name: &str| {
        let field = format!(r#"{{ "name": "{name}", "type": "bool", "tag": 1 }}"#);
        format!(r#"{{ "pitaya": 1, "types": {{ "A": {{ "proto": true, "fields": [ {field} ] }} }} }}"#)
    };
    for name in ["größe", "a-b", "2d", "_x"] {
        let error = write(&Schema::from_json(&json(name)).unwrap()).unwrap_err();
        assert_eq!(error, WriteError::Name(name.to_owned()));
    }
}

#[test]
fn types_of_the_file_come_before_imported_ones() {
    let folder = tempfile::tempdir().unwrap();
    let other = "syntax = \"proto3\"; package common; message Inner { bool wrong = 1; } enum Kind { NONE = 0; X = 9; }";
    std::fs::write(folder.path().join("common.proto"), other).unwrap();
    let nested = "message Before { message Inner { bool wrong = 1; } }\n";
    let text = PROTO.replacen("package game;", "package mine; import \"common.proto\";", 1) + nested;
    let file = folder.path().join("game.proto");
    std::fs::write(&file, text).unwrap();
    assert_eq!(check(&schema(), &file, &[]), Ok(vec![]));
}

#[test]
fn values_of_one_name_are_an_error() {
    let values = |name: &str, value: &str| {
        format!(r#""{name}": {{ "enum": [ {{ "name": "{value}", "number": 0 }} ] }}"#)
    };
    let json = format!(
        r#"{{ "pitaya": 1, "types": {{ {}, {}, "A": {{ "proto": true, "fields": [
            {{ "name": "a", "type": "Mode", "tag": 1 }}, {{ "name": "b", "type": "ModeKind", "tag": 2 }} ] }} }} }}"#,
        values("Mode", "KindX"),
        values("ModeKind", "X")
    );
    let error = write(&Schema::from_json(&json).unwrap()).unwrap_err();
    assert_eq!(error, WriteError::Twice("MODE_KIND_X".to_owned()));
}

#[test]
fn package_that_proto_cannot_have_is_an_error() {
    let json = r#"{ "pitaya": 1, "package": "my-game", "types": { "A": { "proto": true, "fields": [] } } }"#;
    match Schema::from_json(json) {
        Ok(schema) => assert_eq!(write(&schema), Err(WriteError::Name("my-game".to_owned()))),
        Err(error) => assert!(error.to_string().contains("package"), "{error}"),
    }
}

#[test]
fn variant_with_the_name_of_a_type_is_an_error() {
    let json = |first: &str, second: &str| {
        format!(
            r#"{{ "pitaya": 1, "types": {{ "Inner": {{ "proto": true, "fields": [] }}, "U": {{ "proto": true, "key": "type",
                "union": [ {{ "name": "{first}", "tag": 1 }}, {{ "name": "{second}", "tag": 2 }} ] }} }} }}"#
        )
    };
    let error =
        |first: &str, second: &str| write(&Schema::from_json(&json(first, second)).unwrap()).unwrap_err();
    assert_eq!(error("Inner", "Other"), WriteError::Twice("Inner".to_owned()));
    let error = error("move_to", "MoveTo").to_string();
    assert!(error.contains("'move_to' conflicts with field 'MoveTo'"), "{error}");
}
