//! Invalid arguments of `#[pitaya]`.
use pitaya::{prelude::*, PitayaError};

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[derive(Debug, thiserror::Error, PitayaError)]
enum ChatError {
    #[error("none")]
    //~v ATTRIBUTE
    #[pitaya]
    Nothing,
    #[error("no fields")]
    //~v MISTAKE
    #[pitaya(code = "CHAT-001", metadata)]
    NoFields,
    #[error("no field")]
    //~v MISTAKE
    #[pitaya(code = "CHAT-002", metadata("max players"))]
    NoField { limit: u32 },
    #[error("both")]
    //~v MISTAKE
    #[pitaya(code = "CHAT-003", transparent)]
    Both(Error),
    #[error("value")]
    //~v MISTAKE
    #[pitaya(transparent = true)]
    Value(Error),
    #[error("twice")]
    //~v MISTAKE
    #[pitaya(code = "CHAT-004", code = "CHAT-005")]
    Twice,
}

#[derive(Debug, thiserror::Error, PitayaError)]
#[error("{0:?}")]
#[pitaya(code = "CHAT-006")]
//~v MISTAKE
struct Generic<T: std::fmt::Debug>(T);

fn main() {}
