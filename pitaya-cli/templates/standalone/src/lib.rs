//! A game: one server.

pub mod entry;
pub mod page;
pub mod room;

use pitaya::app::Builder;
use pitaya::prelude::*;
use pitaya::schema::{ExportOptions, export};

/// Returns the parts of the schema that no annotation has.
#[must_use]
pub fn schema_options() -> ExportOptions {
    ExportOptions::new("game")
}

/// Makes an app the game.
///
/// # Errors
/// The schema has two types of one name.
pub fn game(app: Builder) -> Result<Builder> {
    Ok(app.server_type("game").schema(&export(&schema_options())?))
}
