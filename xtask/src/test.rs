//! `cargo xtask test`: everything that CI runs. It installs what the tests need, or says what to install.

use std::path::Path;
use std::process::{Command, ExitCode};

use crate::{cargo, fuzz, phrases, root, run};

/// The features of the framework, each of which must build alone.
const FEATURES: &[&str] = &[
    "websocket",
    "tls",
    "garde",
    "testing",
    "nats",
    "nats-creds",
    "etcd",
    "cluster",
    "http",
    "prometheus",
    "statsd",
    "otel",
];

/// The integration tests that run with the features of `pitaya-unified` too: macros, every serializer, clients, and bytes
/// recorded from Go Pitaya.
const UNIFIED: &[&str] = &[
    "macros",
    "serializers",
    "e2e",
    "sessions",
    "client",
    "conversation_vectors",
    "wire_vectors",
    "answer_vectors",
];

/// The systems that the library is checked for where their standard libraries are installed (`rustup target add`).
const TARGETS: &[&str] =
    &["x86_64-pc-windows-gnu", "x86_64-pc-windows-msvc", "aarch64-apple-darwin", "x86_64-apple-darwin"];

type Step = fn() -> Result<(), String>;

/// Runs all steps; stops at the first that fails.
pub(crate) fn main(args: &[String]) -> ExitCode {
    let only = args.first().map(String::as_str);
    let steps: [(&str, Step); 13] = [
        ("needs", needs),
        ("format", || run(cargo().args(["fmt", "--all", "--check"]))),
        ("phrases", phrases::check),
        ("clippy", || {
            run(cargo().args([
                "clippy",
                "--workspace",
                "--exclude",
                "pitaya-unified",
                "--all-targets",
                "--all-features",
                "--",
                "-D",
                "warnings",
            ]))
        }),
        ("portable", portable),
        ("features", features),
        ("docs", || {
            let mut doc = cargo();
            doc.args(["doc", "--workspace", "--exclude", "pitaya-unified", "--no-deps", "--all-features"])
                .env("RUSTDOCFLAGS", "-D warnings");
            run(&mut doc)
        }),
        ("package", || {
            // Compiling the packages is left out: they are the same files.
            let mut package = cargo();
            package.args([
                "package",
                "--allow-dirty",
                "--no-verify",
                "-p",
                "pitaya-duration",
                "-p",
                "pitaya-macros-core",
            ]);
            run(package.args(["-p", "pitaya-macros", "-p", "pitaya"]))
        }),
        ("tests", || {
            run(cargo().args([
                "test",
                "--workspace",
                "--all-features",
                "--all-targets",
                "--exclude",
                "pitaya-bench",
                "--exclude",
                "pitaya-unified",
            ]))
        }),
        ("unified", || {
            run(cargo().args(["test", "-p", "pitaya", "-p", "pitaya-unified", "--all-features", "--lib"]))?;
            let mut tests = cargo();
            tests.args(["test", "-p", "pitaya-tests", "-p", "pitaya-unified", "--all-features"]);
            tests.args(UNIFIED.iter().flat_map(|test| ["--test", test]));
            run(&mut tests)
        }),
        ("doctests", || {
            run(cargo().args([
                "test",
                "--workspace",
                "--exclude",
                "pitaya-unified",
                "--all-features",
                "--doc",
            ]))
        }),
        ("fuzz", fuzz::quick),
        ("javascript", || {
            run(Command::new("node").args(["--test"]).current_dir(root().join("tests/browser")))
        }),
    ];
    for (name, step) in steps {
        if only.is_some_and(|only| only != name) {
            continue;
        }
        eprintln!("== {name}");
        if let Err(error) = step() {
            eprintln!("== {name} failed: {error}");
            return ExitCode::FAILURE;
        }
    }
    eprintln!("== all is well");
    ExitCode::SUCCESS
}

/// Names that only Unix has, in the sources of the library.
const UNIX: &[&str] =
    &["rustix::", "libc::", "std::os::unix", "std::os::fd", "signal::unix", "UnixListener", "UnixStream"];

/// The library builds for other systems. Those whose standard library is installed are checked by the compiler, without
/// TLS and the cluster: their cryptography needs a C compiler for the system. For the others this reads the text.
fn portable() -> Result<(), String> {
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

/// The framework with each feature alone, and with none; and the chat as newcomers start it, without `protoc`.
fn features() -> Result<(), String> {
    run(cargo().args(["check", "-p", "pitaya", "--no-default-features"]))?;
    for feature in FEATURES {
        run(cargo().args(["check", "-p", "pitaya", "--no-default-features", "--features", feature]))?;
    }
    run(cargo().args(["check", "-p", "chat"]).env("PROTOC", "not-to-be-asked-for"))
}

/// Installs a browser with its driver, the services that the cluster's tests use, and the tools of the build.
fn needs() -> Result<(), String> {
    let mut packages = Vec::new();
    if std::env::var_os("CHROMIUM").is_none() && !Path::new("/usr/bin/chromium").exists() {
        packages.push("chromium");
    }
    // Debian keeps it where only root looks
    if !works("nats-server") && !works("/usr/sbin/nats-server") {
        packages.push("nats-server");
    }
    // The cost test counts instructions with it.
    if !works("valgrind") {
        packages.push("valgrind");
    }
    // libFuzzer is C++.
    if !works("c++") {
        packages.push("g++");
    }
    if !works("node") {
        packages.push("nodejs");
    }
    if !works("npm") {
        packages.push("npm");
    }
    if !works("etcd") {
        packages.push("etcd-server");
    }
    // Tests let it read the metrics; `promtool` comes with it.
    if !works("prometheus") {
        packages.push("prometheus");
    }
    if !compiles_protos() {
        // The standard files are a package of their own, which the compiler only recommends.
        packages.extend(["protobuf-compiler", "libprotobuf-dev"]);
    }
    if !packages.is_empty() {
        install(&packages)?;
    }
    let browser = root().join("tests/browser");
    if !browser.join("node_modules/playwright-core").exists() {
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(browser))?;
    }
    Ok(())
}

/// Whether there is a compiler for protocol files that finds the standard ones, as the build of the feature `etcd` asks
/// for it.
fn compiles_protos() -> bool {
    let mut protoc = Command::new(std::env::var_os("PROTOC").unwrap_or_else(|| "protoc".into()));
    if let Some(folder) = std::env::var_os("PROTOC_INCLUDE") {
        protoc.arg("-I").arg(folder);
    }
    let output = std::env::temp_dir().join(format!("pitaya-protoc-{}", std::process::id()));
    protoc.arg("--descriptor_set_out").arg(&output).arg("google/protobuf/descriptor.proto");
    let compiled = protoc.output().is_ok_and(|output| output.status.success());
    let _ = std::fs::remove_file(output);
    compiled
}

pub(crate) fn works(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn install(packages: &[&str]) -> Result<(), String> {
    let list = packages.join(" ");
    let help = format!("install what the tests need: apt-get install -y {list}");
    if !works("apt-get") {
        return Err(help);
    }
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"));
    let apt = |args: &[&str]| {
        let mut command = if root { Command::new("apt-get") } else { Command::new("sudo") };
        if !root {
            command.args(["-n", "apt-get"]);
        }
        command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
        run(&mut command)
    };
    apt(&["update"]).map_err(|_| help.clone())?;
    let mut args = vec!["install", "-y", "--no-install-recommends"];
    args.extend(packages);
    apt(&args).map_err(|_| help)
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
