//! The program `pitaya schema`, with its exit codes.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const OLD: &str = r#"{ "pitaya": 1, "name": "demo",
  "types": { "Join": { "fields": [ { "name": "name", "type": "string", "required": true } ] } },
  "handlers": { "a.b.join": { "message": "Join", "errors": [ "E-1" ] }, "a.b.say": { "message": "Join", "notify": true } },
  "pushes": { "onJoin": { "message": "Join" } },
  "errors": { "E-1": { "doc": "The room is full." } } }"#;

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn pitaya(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pitaya"));
    command.args(args);
    command
}

fn diff(files: &[PathBuf], more: &[&str]) -> Output {
    pitaya(&["schema", "diff"]).args(files).args(more).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn with_required_field(files: &Files) -> [PathBuf; 2] {
    let new = OLD.replace(
        "\"fields\": [",
        "\"fields\": [ { \"name\": \"room\", \"type\": \"u32\", \"required\": true },",
    );
    [files.write("old.json", OLD), files.write("new.json", &new)]
}

#[test]
fn equal_schemas_are_compatible() {
    let files = Files::new();
    let old = files.write("old.json", OLD);
    let output = diff(&[old.clone(), old], &[]);
    assert_eq!((code(&output), text(&output.stdout).as_str()), (0, "compatible; findings: 0, accepted: 0\n"));
}

#[test]
fn breaking_change_exits_with_1_and_says_why() {
    let files = Files::new();
    let output = diff(&with_required_field(&files), &[]);
    let report = text(&output.stdout);
    assert_eq!(code(&output), 1, "{report}");
    assert!(report.starts_with("break  Join.room: absent -> required u32 (in: "), "{report}");
    assert!(report.ends_with("1 breaking; findings: 1, accepted: 0\n"), "{report}");
}

#[test]
fn accepted_finding_does_not_break() {
    let files = Files::new();
    let allow = files.write("allow.txt", "field-added/Join.room/in # no client joins yet\n");
    let output = diff(&with_required_field(&files), &["--allow", allow.to_str().unwrap()]);
    assert_eq!((code(&output), text(&output.stdout).as_str()), (0, "compatible; findings: 0, accepted: 1\n"));
    let old = files.write("old.json", OLD);
    let output = diff(&[old.clone(), old], &["--allow", allow.to_str().unwrap()]);
    assert!(text(&output.stderr).contains("`field-added/Join.room/in`, which is not found any more"));
}

#[test]
fn json_report_has_every_part_of_a_finding() {
    let files = Files::new();
    let output = diff(&with_required_field(&files), &["--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((code(&output), &report["breaking"]), (1, &serde_json::json!(1)));
    let finding = report["findings"][0].as_object().unwrap();
    let keys: Vec<_> = finding.keys().map(String::as_str).collect();
    let mut expected = ["id", "severity", "rule", "subject", "field", "direction", "old", "new", "help"];
    expected.sort_unstable();
    assert_eq!(keys, expected);
}

#[test]
fn level_source_counts_what_breaks_sources() {
    let files = Files::new();
    let paths =
        [files.write("old.json", OLD), files.write("new.json", &OLD.replace("\"Join\"", "\"Enter\""))];
    let output = diff(&paths, &[]);
    assert_eq!(code(&output), 0, "{}", text(&output.stdout));
    assert_eq!(code(&diff(&paths, &["--level", "source"])), 1);
}

#[test]
fn unusable_input_exits_with_2() {
    let files = Files::new();
    let good = files.write("good.json", OLD);
    for (content, expected) in [
        ("hello", "invalid JSON"),
        ("{}", "not a schema"),
        ("{\"pitaya\": 99}", "unsupported version 99"),
        (
            "{\"pitaya\": 1, \"handlers\": {\"a.b\": {\"message\": \"Gone\"}}}",
            "the type `Gone` is not in `types`",
        ),
    ] {
        let bad = files.write("bad.json", content);
        let output = diff(&[good.clone(), bad.clone()], &[]);
        let said = text(&output.stderr);
        assert_eq!(code(&output), 2, "{said}");
        assert!(said.contains(expected) && said.contains("bad.json"), "{said}");
    }
    assert_eq!(code(&diff(&[good.clone(), files.0.path().join("none.json")], &[])), 2);
    let allow = files.write("allow.txt", "nonsense\n");
    assert_eq!(code(&diff(&[good.clone(), good.clone()], &["--allow", allow.to_str().unwrap()])), 2);
    assert_eq!(code(&diff(&[good], &[])), 2);
    assert_eq!(code(&diff(&["-".into(), "-".into()], &[])), 2);
}

#[test]
fn standard_input_is_read_once() {
    let files = Files::new();
    let [_, new] = with_required_field(&files);
    let mut child = pitaya(&["schema", "diff", "-"])
        .arg(new)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(OLD.as_bytes()).unwrap();
    assert_eq!(code(&child.wait_with_output().unwrap()), 1);
}

#[test]
fn print_shows_routes_pushes_and_errors() {
    let files = Files::new();
    let path = files.write("schema.json", OLD);
    let output = pitaya(&["schema", "print"]).arg(&path).output().unwrap();
    assert_eq!(
        text(&output.stdout),
        "handlers\n  a.b.join(Join) -> () ! E-1\n  a.b.say(Join)\npushes\n  onJoin: Join\nerrors\n  E-1: The room is full.\n"
    );
    let output = pitaya(&["schema", "print", "--json"]).arg(&path).output().unwrap();
    let schema = pitaya_schema::Schema::from_json(OLD).unwrap();
    assert_eq!(text(&output.stdout), schema.to_json());
    let output = pitaya(&["schema", "print", "--hash"]).arg(&path).output().unwrap();
    assert_eq!(
        text(&output.stdout),
        format!("{}  schema\n{}  client\n", schema.hash(), schema.client_hash())
    );
}

#[test]
fn every_command_has_help_with_examples() {
    for command in [&["schema", "print"][..], &["schema", "diff"], &["expand"], &["completions"]] {
        let output = pitaya(command).arg("--help").output().unwrap();
        let help = text(&output.stdout);
        assert!(code(&output) == 0 && help.contains("Example"), "{command:?}: {help}");
    }
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = pitaya(&["completions", shell]).output().unwrap();
        assert!(text(&output.stdout).contains("schema"), "{shell}");
    }
}
