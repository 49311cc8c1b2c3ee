//! Codes for a type that is no error. Mistakes: 1.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[derive(Debug, PitayaError)]
enum ChatError {
    #[pitaya(code = "CHAT-001")]
    Full,
}

fn main() {}
