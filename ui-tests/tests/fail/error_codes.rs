//! Errors whose codes are missing or wrong.
use pitaya::{prelude::*, PitayaError};

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[derive(Debug, thiserror::Error, PitayaError)]
enum ChatError {
    #[error("no code")]
    //~v MISTAKE
    NoCode,
    #[error("empty")]
    //~v MISTAKE
    #[pitaya(code = "")]
    Empty,
    #[error("full")]
    //~v MISTAKE
    #[pitaya(code = "CHAT-001", metadata(room))]
    Full { name: String },
    #[error("two")]
    //~v MISTAKE
    #[pitaya(transparent)]
    Two(String, String),
    #[error("key")]
    //~v MISTAKE
    #[pitaya(kode = "CHAT-002")]
    Key,
    #[error("number")]
    //~v MISTAKE
    #[pitaya(code = 7)]
    Number,
}

fn main() {}
