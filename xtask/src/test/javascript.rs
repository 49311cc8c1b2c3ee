//! The step `javascript`: the TypeScript client, and the page of the chat.

use std::path::Path;
use std::process::Command;

use super::TESTS;
use crate::{cargo, root, run};

/// Builds the TypeScript client and tests it, also against servers of this repository and in a browser. Checks the page
/// of the chat, and that its bundle is what the sources give.
pub(super) fn javascript() -> Result<(), String> {
    let client = root().join("clients/typescript");
    install(&client)?;
    run(Command::new("npm").args(["run", "build"]).current_dir(&client))?;
    // The servers are programs of the step `tests`.
    run(cargo().args(TESTS).arg("--no-run"))?;
    run(Command::new("node").arg("--test").current_dir(&client))?;
    let page = root().join("examples/chat/web");
    install(&page)?;
    run(Command::new("npm").args(["run", "check"]).current_dir(&page))
}

/// Installs the packages of a folder's lock file. No package runs a script.
fn install(folder: &Path) -> Result<(), String> {
    let args = ["ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"];
    run(Command::new("npm").args(args).current_dir(folder))
}
