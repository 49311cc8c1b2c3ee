//! The step `needs`: installs the programs that the tests use, or says what to install.

use std::path::Path;
use std::process::Command;

use crate::{root, run};

/// Installs a browser with its driver, the services that the cluster's tests use, and the tools of the build.
pub(super) fn needs() -> Result<(), String> {
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
    if !works("redis-server") {
        packages.push("redis-server");
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
