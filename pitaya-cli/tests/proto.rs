//! The program `pitaya gen proto` and `pitaya check proto`, with their exit codes.
#![allow(missing_docs)]

use std::path::Path;
use std::process::{Command, Output};

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/tests/schema.json");

fn pitaya(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pitaya")).args(args).output().unwrap()
}

/// Returns the exit code and the text on the standard output.
fn check(file: &Path) -> (Option<i32>, String) {
    let output = pitaya(&["check", "proto", SCHEMA, file.to_str().unwrap()]);
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn written_file_passes_its_check() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("game.proto");
    let written = pitaya(&["gen", "proto", SCHEMA, "-o", file.to_str().unwrap()]);
    assert!(written.status.success(), "{written:?}");
    assert_eq!(check(&file), (Some(0), "the same on the wire; notes: 0\n".to_owned()));

    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(pitaya(&["gen", "proto", SCHEMA]).stdout, text.as_bytes());
    std::fs::write(&file, text.replace("fixed64 at", "uint64 at").replace("sint32 x", "sint32 left"))
        .unwrap();
    let (code, report) = check(&file);
    assert_eq!(code, Some(1), "{report}");
    assert!(
        report.contains("breaks  Moved.at: 2 is `fixed64` in the schema and `uint64` in the file"),
        "{report}"
    );
    assert!(report.contains("note  Moved.x: 1 is named `left` in the file"), "{report}");
    assert!(report.ends_with("1 different; notes: 1\n"), "{report}");
}

#[test]
fn unusable_input_ends_with_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("game.proto");
    assert_eq!(check(&file).0, Some(2), "no such file");
    std::fs::write(&file, "message {").unwrap();
    assert_eq!(check(&file).0, Some(2), "no .proto file");
    let none = folder.path().join("schema.json");
    std::fs::write(&none, r#"{ "pitaya": 1 }"#).unwrap();
    let output = pitaya(&["gen", "proto", none.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("no message has a Protobuf form"));
}
