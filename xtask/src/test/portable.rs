//! The step `portable`: the library builds for other systems.

use std::process::Command;

use crate::{cargo, root, run};

/// The systems that the library is checked for where their standard libraries are installed (`rustup target add`).
const TARGETS: &[&str] =
    &["x86_64-pc-windows-gnu", "x86_64-pc-windows-msvc", "aarch64-apple-darwin", "x86_64-apple-darwin"];

/// Names that only Unix has, in the sources of the library.
const UNIX: &[&str] =
    &["rustix::", "libc::", "std::os::unix", "std::os::fd", "signal::unix", "UnixListener", "UnixStream"];

/// The library builds for other systems. Those whose standard library is installed are checked by the compiler, without
/// TLS and the cluster: their cryptography needs a C compiler for the system. For the others this reads the text.
pub(super) fn portable() -> Result<(), String> {
    only_unix_is_guarded()?;
    let installed = Command::new("rustup").args(["target", "list", "--installed"]).output();
    let installed =
        installed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let (check, skip): (Vec<&str>, _) =
        TARGETS.iter().partition(|target| installed.lines().any(|line| line == **target));
    if !skip.is_empty() {
        eprintln!("not installed, so not checked: {}", skip.join(", "));
    }
    for target in check {
        let features = "websocket,testing,garde";
        let mut check = cargo();
        check.args([
            "check",
            "-p",
            "pitaya",
            "--no-default-features",
            "--features",
            features,
            "--target",
            target,
        ]);
        run(&mut check)?;
    }
    Ok(())
}

/// Everything of the library that only Unix has stands in an item or a block under `cfg(unix)`, in a test, or in a
/// comment.
fn only_unix_is_guarded() -> Result<(), String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("pitaya/src")];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
                found.extend(unguarded(&text).into_iter().map(|line| format!("{}:{line}", path.display())));
            }
        }
    }
    match found.is_empty() {
        true => Ok(()),
        false => Err(format!("only Unix has this; put it under `#[cfg(unix)]`:\n{}", found.join("\n"))),
    }
}

/// The lines that name what only Unix has and are not under `cfg(unix)`, counted from 1.
fn unguarded(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    // The indentation of the item under `cfg(unix)`; it ends with the next line that is not indented further.
    let mut guard: Option<(usize, bool)> = None;
    for (at, line) in text.lines().enumerate() {
        let (code, indent) = (line.trim_start(), line.len() - line.trim_start().len());
        if code.is_empty() || code.starts_with("//") {
            continue;
        }
        if code.starts_with("#[cfg(unix)]") {
            guard = Some((indent, false));
            continue;
        }
        let guarded = guard.filter(|(own, begun)| {
            !begun || indent > *own || (indent == *own && code.starts_with(['}', ')']))
        });
        match guarded {
            Some(_) if code.starts_with("#[") => {}
            Some((own, begun)) => {
                let ends = indent == own && (begun || code.ends_with([';', '}']));
                guard = (!ends).then_some((own, true));
            }
            None => {
                guard = None;
                if UNIX.iter().any(|name| code.contains(name)) {
                    found.push(at + 1);
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::unguarded;

    #[test]
    fn unix_code_is_found_outside_of_its_guard_only() {
        let text = "\
use rustix::process;
#[cfg(unix)]
use tokio::signal::unix::signal;
use std::os::fd::AsFd;
#[cfg(unix)]
fn a() {
    rustix::b();
}
// rustix::comment
fn c() {
    rustix::d();
    #[cfg(unix)]
    rustix::e();
    rustix::f();
}
";
        assert_eq!(unguarded(text), [1, 4, 11, 14]);
    }
}
