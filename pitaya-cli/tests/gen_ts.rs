//! The program `pitaya gen ts`.

use std::path::Path;
use std::process::{Command, Output};

const CHAT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/chat");

fn generate(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pitaya")).args(["gen", "ts"]).args(args).output().unwrap()
}

/// `npm run generate` in `examples/chat/web` writes the file.
#[test]
fn page_of_the_chat_has_the_client_of_its_schema() {
    let output = generate(&[&format!("{CHAT}/schema.json")]);
    assert!(output.status.success(), "{output:?}");
    let committed = std::fs::read_to_string(Path::new(CHAT).join("web/src/chat.ts")).unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), committed, "run `npm run generate` there");
}

#[test]
fn file_is_written_with_the_options() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.ts");
    let path = path.to_str().unwrap();
    let schema = format!("{CHAT}/schema.json");
    let output = generate(&[&schema, "-o", path, "--name", "Talk", "--int64", "bigint"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0), "{output:?}");
    let text = std::fs::read_to_string(path).unwrap();
    assert!(
        text.contains("export const Talk: pitaya.Schema<TalkClient>") && text.contains("int64: \"bigint\"")
    );
}

#[test]
fn unusable_input_ends_with_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let proto =
        r#"{ "pitaya": 1, "types": { "M": { "fields": [ { "name": "__proto__", "type": "i32" } ] } } }"#;
    for (file, expected) in [
        (write("no.json", "no schema"), "invalid JSON"),
        (write("newer.json", r#"{ "pitaya": 2 }"#), "version"),
        (write("proto.json", proto), "`__proto__` cannot be a name"),
        ("missing.json".to_owned(), "missing.json"),
    ] {
        let output = generate(&[&file]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(expected), "{error}");
    }
    let chat = format!("{CHAT}/schema.json");
    assert_eq!(generate(&[&chat, "--name", "not a name"]).status.code(), Some(2));
    assert_eq!(generate(&[&chat, "-o", "/does/not/exist.ts"]).status.code(), Some(2));
}
