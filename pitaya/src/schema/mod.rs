//! The schema of a program: its routes, messages, pushes and errors, for clients and for review.
//!
//! [`export`] collects the schema from the annotations that are linked into the program. The file is the contract
//! between a server and its clients: generators read it, and `pitaya schema diff` tells what a change breaks. The crate
//! [`pitaya_schema`] documents the format.
//!
//! Commit the file, and let a test keep it current:
//!
//! ```no_run
//! use pitaya::schema::{ExportOptions, assert_unchanged};
//!
//! # #[allow(unused_attributes)]
//! #[test]
//! fn schema_is_unchanged() {
//!     assert_unchanged("schema.json", &ExportOptions::new("chat"));
//! }
//! ```
//!
//! The schema contains the handlers and remotes of every server type that is linked in, and every push that
//! `#[message(push = "…")]` declares. A push by `push_route` with another route is not in it.

mod collect;
mod route;

use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::Location;
use std::path::Path;

pub use pitaya_schema::Schema;
pub use route::SchemaRoute;

use crate::error::Result;
use crate::serialize::Serializer;

/// The variable of the environment that makes [`assert_unchanged`] write the file.
const UPDATE: &str = "UPDATE_SCHEMA";

/// The parts of a schema that no annotation has.
#[derive(Debug, Clone, Default)]
pub struct ExportOptions {
    name: String,
    package: String,
    dictionary: Vec<(String, u16)>,
    serializers: Vec<Serializer>,
}

impl ExportOptions {
    /// Creates the options for a program of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Sets the Protobuf package of the messages. Without it they have no package.
    #[must_use]
    pub fn package(mut self, package: impl Into<String>) -> Self {
        self.package = package.into();
        self
    }

    /// Adds the codes of routes, as in [`Builder::dictionary`](crate::app::Builder::dictionary).
    #[must_use]
    pub fn dictionary<R: Into<String>>(mut self, routes: impl IntoIterator<Item = (R, u16)>) -> Self {
        self.dictionary.extend(routes.into_iter().map(|(route, code)| (route.into(), code)));
        self
    }

    /// Adds a serializer for clients. The default is JSON.
    #[must_use]
    pub fn serializer(mut self, serializer: impl Into<Serializer>) -> Self {
        self.serializers.push(serializer.into());
        self
    }
}

/// Returns the schema of the linked program.
///
/// # Errors
/// Two types have one name, two methods have one route, or two routes have one code. The error lists every clash with
/// both places.
pub fn export(options: &ExportOptions) -> Result<Schema> {
    collect::schema(options)
}

/// Prints the schema if the program was started with `--print-schema`, and returns whether it was; the caller then
/// ends.
///
/// ```no_run
/// use pitaya::prelude::*;
/// use pitaya::schema::{ExportOptions, print_if_asked};
///
/// #[tokio::main]
/// async fn main() -> Result<()> {
///     if print_if_asked(&ExportOptions::new("chat"))? {
///         return Ok(());
///     }
///     App::builder().run().await
/// }
/// ```
///
/// # Errors
/// The errors of [`export`], if the flag was given.
pub fn print_if_asked(options: &ExportOptions) -> Result<bool> {
    if !std::env::args_os().skip(1).any(|argument| argument == "--print-schema") {
        return Ok(false);
    }
    let text = export(options)?.to_json();
    if let Err(error) = std::io::stdout().lock().write_all(text.as_bytes()) {
        // The reader of a pipe may have closed it.
        tracing::debug!(%error, "failed to print the whole schema");
    }
    Ok(true)
}

/// Requires in a test that a file has the schema of the linked program.
///
/// The path is relative to the folder of the package, where cargo runs tests. Run the test with `UPDATE_SCHEMA=1` to
/// write the file after a change.
///
/// # Panics
/// The file is missing or differs from the schema, or [`export`] failed. With `UPDATE_SCHEMA=1`: the file cannot be
/// written.
#[track_caller]
pub fn assert_unchanged(path: impl AsRef<Path>, options: &ExportOptions) {
    let update = std::env::var_os(UPDATE).is_some_and(|value| !value.is_empty() && value != "0");
    if let Err(problem) = unchanged(path.as_ref(), options, update) {
        let place = Location::caller();
        panic!("{problem}\n  (asserted at {place})");
    }
}

/// Compares the file with the schema, or writes it.
fn unchanged(path: &Path, options: &ExportOptions, update: bool) -> Result<(), String> {
    let schema = export(options).map_err(|error| error.reason().into_owned())?.to_json();
    let shown = path.display();
    if update {
        return std::fs::write(path, schema).map_err(|error| format!("failed to write {shown}: {error}"));
    }
    let file = std::fs::read_to_string(path).map_err(|error| {
        format!("failed to read {shown}: {error}; run the test with {UPDATE}=1 to write it")
    })?;
    match difference(&file, &schema) {
        None => Ok(()),
        Some(difference) => Err(format!(
            "the schema of this program is not the one in {shown}; if the change is intended, run the test with \
             {UPDATE}=1 and commit the file; `pitaya schema diff` tells what it breaks\n{difference}"
        )),
    }
}

/// Returns the lines in which two texts differ, the first ones only. Line endings do not matter.
fn difference(old: &str, new: &str) -> Option<String> {
    const SHOWN: usize = 10;
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    if old == new {
        return None;
    }
    let begin = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let ends = old[begin..].iter().rev().zip(new[begin..].iter().rev());
    let end = ends.take_while(|(old, new)| old == new).count();
    let mut text = format!("line {}:", begin + 1);
    for (sign, lines) in [('-', &old[begin..old.len() - end]), ('+', &new[begin..new.len() - end])] {
        for line in lines.iter().take(SHOWN) {
            let _ = write!(text, "\n{sign} {line}");
        }
        if let more @ 1.. = lines.len().saturating_sub(SHOWN) {
            let _ = write!(text, "\n{sign} … {more} more lines");
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn equal_texts_have_no_difference() {
        assert_eq!(difference("a\nb\n", "a\r\nb\r\n"), None);
    }

    #[test]
    fn difference_shows_changed_lines_only() {
        assert_eq!(difference("a\nb\nc\n", "a\nx\ny\nc\n").unwrap(), "line 2:\n- b\n+ x\n+ y");
        assert_eq!(difference("a\na\n", "a\na\na\n").unwrap(), "line 3:\n+ a");
        assert_eq!(difference("", "a\n").unwrap(), "line 1:\n+ a");
    }

    #[test]
    fn long_difference_is_cut() {
        let long = "x\n".repeat(30);
        let text = difference("a\n", &long).unwrap();
        assert_eq!(text.lines().count(), 13, "{text}");
        assert!(text.ends_with("+ … 20 more lines"), "{text}");
    }
}
