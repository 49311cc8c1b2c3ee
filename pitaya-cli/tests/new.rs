//! `pitaya new`: the projects compile and pass their tests.
#![allow(missing_docs)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn pitaya(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pitaya")).args(arguments).current_dir(folder).output().unwrap()
}

/// Runs cargo in a new project, with the build folder and the versions of this repository.
fn cargo(project: &Path, arguments: &[&str]) {
    std::fs::copy(format!("{REPOSITORY}/Cargo.lock"), project.join("Cargo.lock")).unwrap();
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or(format!("{REPOSITORY}/target").into(), PathBuf::from);
    let mut cargo = Command::new(env!("CARGO"));
    // These describe this package. A build script that reads them would run again, and so would what depends on it.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    // As the dependencies of this repository are built.
    cargo.args(arguments).args(["--offline", "--config", "profile.dev.debug=false"]);
    let output = cargo.env("CARGO_TARGET_DIR", target).current_dir(project).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stdout));
    assert!(!text.contains("warning"), "{text}");
}

/// The name is also that of a module.
#[test]
#[ignore = "needs minutes"]
fn new_project_passes_its_tests() {
    let folder = tempfile::tempdir().unwrap();
    let output = pitaya(folder.path(), &["new", "room"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("cd room\n"));
    cargo(&folder.path().join("room"), &["test"]);
}

#[test]
#[ignore = "needs minutes"]
fn new_standalone_project_compiles() {
    let folder = tempfile::tempdir().unwrap();
    let output = pitaya(folder.path(), &["new", "game", "--standalone", "--pitaya-path", REPOSITORY]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    cargo(&folder.path().join("game"), &["test"]);
}

#[test]
fn wrong_use_ends_with_code_2_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, why) in [
        (&["new"][..], "NAME"),
        (&["new", "fn"], "keyword"),
        (&["new", "../x"], "begins with a letter"),
        (&["new", "demo", "--pitaya-path", "."], "has no crate `pitaya`"),
        (&["new", "demo", "--cluster"], "--cluster"),
    ] {
        let output = pitaya(folder.path(), arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(why), "{arguments:?}: {text}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{arguments:?}");
    }
}
