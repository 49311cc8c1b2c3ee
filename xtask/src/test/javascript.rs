//! The step `javascript`: the TypeScript client, and the page of the chat.

use std::path::Path;
use std::process::Command;

use crate::{cargo, root, run};

/// Builds the TypeScript client and tests it, also against servers of this repository and in a browser.
pub(super) fn javascript() -> Result<(), String> {
    run(Command::new("node").args(["--test"]).current_dir(root().join("tests/browser")))?;
    let client = root().join("clients/typescript");
    install(&client)?;
    run(Command::new("npm").args(["run", "build"]).current_dir(&client))?;
    let programs = ["--bin", "served", "--bin", "tested-bench-server"];
    run(cargo().args(["build", "-p", "pitaya-tests", "--all-features"]).args(programs))?;
    run(Command::new("node").arg("--test").current_dir(&client))
}

/// Installs the packages of a folder's lock file. No package runs a script.
fn install(folder: &Path) -> Result<(), String> {
    let args = ["ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"];
    run(Command::new("npm").args(args).current_dir(folder))
}
