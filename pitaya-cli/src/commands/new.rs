//! `pitaya new`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Done, print};
use crate::new_project::{Kind, Project};

/// The repository that this program was built from.
const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

#[derive(Args)]
pub(crate) struct New {
    /// The name of the project, of its crate and of its folder
    name: String,
    /// Makes a project with one server, which can have no cluster
    #[arg(long)]
    standalone: bool,
    /// The repository of the framework; by default the one that this program was built from
    #[arg(long, value_name = "PATH")]
    pitaya_path: Option<PathBuf>,
}

impl New {
    pub(crate) fn run(self) -> Done {
        let (kind, what) = if self.standalone {
            (Kind::Standalone, "one server")
        } else {
            (Kind::Cluster, "a connector and a room")
        };
        let framework = self.pitaya_path.as_deref().unwrap_or(Path::new(REPOSITORY));
        let folder = Project::new(&self.name, kind, framework)?.write(Path::new(""))?;
        let folder = folder.display();
        print(
            format!(
                "Created `{folder}`: {what}, with tests and a page.\n\n  cd {folder}\n  cargo test\n  cargo run    \
                 # then open http://localhost:3251 in two tabs\n"
            )
            .as_bytes(),
        )
    }
}
