//! Makes the files of a new project.
//!
//! The templates in `templates/` are a project with the name `my-game`. [`Project::write`] replaces the name and the
//! folder of the framework, and generates the TypeScript client from the project's schema.

mod templates;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pitaya_schema::Schema;

use crate::gen_ts;

/// The generated TypeScript client of a project.
const CLIENT: &str = "web/src/game.ts";

/// Names that a project must not have: crates that it uses or that Rust has, and folders of cargo.
const TAKEN: &[&str] = &[
    "alloc",
    "axum",
    "build",
    "core",
    "deps",
    "examples",
    "incremental",
    "pitaya",
    "proc_macro",
    "std",
    "test",
    "thiserror",
    "tokio",
    "tracing",
    "tracing_subscriber",
];

/// The most characters of a name.
const LONGEST: usize = 64;

/// The kind of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Connectors and rooms, in one process or in a cluster over NATS and etcd.
    Cluster,
    /// One server.
    Standalone,
}

/// A project that is not written yet.
#[derive(Debug)]
pub struct Project {
    name: String,
    kind: Kind,
    /// The repository of the framework.
    framework: String,
}

impl Project {
    /// Checks the name of a project and the folder of the framework.
    ///
    /// # Errors
    /// A text for the user: the name cannot be the name of a crate, or the folder is not the repository of the framework.
    pub fn new(name: &str, kind: Kind, framework: &Path) -> Result<Self, String> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), kind, framework: framework_folder(framework)? })
    }

    /// Returns the files: path and text.
    ///
    /// # Errors
    /// A text for the user: the schema of the templates has no TypeScript client.
    pub fn files(&self) -> Result<Vec<(&'static str, String)>, String> {
        let (own, schema) = match self.kind {
            Kind::Cluster => (templates::CLUSTER, templates::CLUSTER_SCHEMA),
            Kind::Standalone => (templates::STANDALONE, templates::STANDALONE_SCHEMA),
        };
        let mut files = vec![(CLIENT, typescript_client(schema)?)];
        files.extend(templates::COMMON.iter().chain(own).map(|(path, text)| (*path, self.fill_in(text))));
        Ok(files)
    }

    fn fill_in(&self, text: &str) -> String {
        text.replace("my_game", &self.name.replace('-', "_"))
            .replace("my-game", &self.name)
            .replace("PITAYA_FOLDER", &self.framework)
    }

    /// Writes the project into a folder of its name in `parent`, and returns the folder.
    ///
    /// The folder appears only once it is complete. An error leaves nothing behind.
    ///
    /// # Errors
    /// A text for the user: the folder exists and is not empty, or cannot be written.
    pub fn write(&self, parent: &Path) -> Result<PathBuf, String> {
        let files = self.files()?;
        let folder = parent.join(&self.name);
        let failed = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
        match fs::read_dir(&folder) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(format!("{}: the folder exists and is not empty", folder.display()));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&folder, error)),
        }
        let unfinished = Unfinished(parent.join(format!(".{}.{}", self.name, std::process::id())));
        fs::create_dir(&unfinished.0).map_err(|error| failed(&folder, error))?;
        for (path, text) in files {
            let path = unfinished.0.join(path);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
            }
            fs::write(&path, text).map_err(|error| failed(&path, error))?;
        }
        // Not every system renames onto an empty folder.
        match fs::remove_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&folder, error)),
            _ => {}
        }
        fs::rename(&unfinished.0, &folder).map_err(|error| failed(&folder, error))?;
        Ok(folder)
    }
}

fn typescript_client(schema: &str) -> Result<String, String> {
    let schema = Schema::from_json(schema).map_err(|error| format!("schema.json: {error}"))?;
    gen_ts::generate(&schema, &gen_ts::Options::default()).map_err(|error| format!("schema.json: {error}"))
}

/// The folder of a project that is being written. It is removed unless it was renamed.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It is missing once it was renamed.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let invalid = |why: &str| Err(format!("`{name}` cannot be the name of a project: {why}"));
    let ident = name.replace('-', "_");
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        invalid("a name begins with a letter")
    } else if !ident.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        invalid("a name has only letters, digits, `-` and `_`")
    } else if name.len() > LONGEST {
        invalid("it has more than 64 characters")
    } else if ident == "gen" || syn::parse_str::<syn::Ident>(&ident).is_err() {
        invalid("it is a keyword of Rust")
    } else if TAKEN.contains(&ident.as_str()) {
        invalid("a crate or a folder of the build has it")
    } else {
        Ok(())
    }
}

/// Returns the absolute path of the framework's repository, as text that needs no quoting in the files.
fn framework_folder(folder: &Path) -> Result<String, String> {
    const HELP: &str = "give the folder of the framework's repository with `--pitaya-path`";
    let shown = folder.display();
    if !folder.join("pitaya/Cargo.toml").is_file() {
        return Err(format!("{shown} has no crate `pitaya`: {HELP}"));
    }
    let absolute = folder.canonicalize().map_err(|error| format!("{shown}: {error}"))?;
    match absolute.to_str() {
        Some(text) if !text.contains(|c: char| c.is_control() || "\"\\$`".contains(c)) => Ok(text.to_owned()),
        _ => Err(format!(
            "{shown} has characters that the project's files cannot contain: {HELP} at another path"
        )),
    }
}
