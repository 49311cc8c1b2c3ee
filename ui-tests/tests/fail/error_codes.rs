//! Errors whose codes are missing or wrong.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[derive(Debug, thiserror::Error, PitayaError)]
enum ChatError {
    #[error("no code")]
    NoCode,
    #[error("empty")]
    #[pitaya(code = "")]
    Empty,
    #[error("full")]
    #[pitaya(code = "CHAT-001", metadata(room))]
    Full { name: String },
    #[error("two")]
    #[pitaya(transparent)]
    Two(String, String),
    #[error("key")]
    #[pitaya(kode = "CHAT-002")]
    Key,
    #[error("number")]
    #[pitaya(code = 7)]
    Number,
}

fn main() {}
