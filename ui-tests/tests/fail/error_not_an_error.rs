//! Codes for a type that is no error.
use pitaya::{prelude::*, PitayaError};

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[derive(Debug, PitayaError)]
//~v MISTAKE
enum ChatError {
    #[pitaya(code = "CHAT-001")]
    Full,
}

fn main() {}
