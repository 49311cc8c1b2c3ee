//! The commands: they read files, print, and choose the exit code.

pub(crate) mod check;
pub(crate) mod expand;
pub(crate) mod generate;
pub(crate) mod man;
pub(crate) mod new;
mod pull;
pub(crate) mod schema;

use std::io::{ErrorKind, Read as _, Write as _};
use std::process::ExitCode;

use pitaya_schema::Schema;

/// The result of a command. An error is a text for the user; the program then ends with code 2.
pub(crate) type Done = Result<ExitCode, String>;

/// Reads a text file; `-` is the standard input.
pub(crate) fn read(path: &str) -> Result<String, String> {
    if path == "-" {
        let mut text = String::new();
        let read = std::io::stdin().lock().read_to_string(&mut text);
        return read.map(|_| text).map_err(|error| format!("standard input: {error}"));
    }
    std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}

/// Reads a schema file; `-` is the standard input.
pub(crate) fn read_schema(path: &str) -> Result<Schema, String> {
    Schema::from_json(&read(path)?).map_err(|error| format!("{path}: {error}"))
}

/// Writes to the standard output. A closed pipe is no error, because its reader may need no more.
pub(crate) fn print(bytes: &[u8]) -> Done {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
        _ => Ok(ExitCode::SUCCESS),
    }
}
