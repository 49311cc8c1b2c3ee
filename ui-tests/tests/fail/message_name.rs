//! The name of a message in the schema is the name of a type.
use pitaya::prelude::*;

//~v MISTAKE
#[message(name = "game result")]
pub struct GameResult {
    pub score: u32,
}

/// A type of the schema format.
//~v MISTAKE
#[message(name = "string")]
pub struct Text {
    pub value: String,
}

fn main() {}
