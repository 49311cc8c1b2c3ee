//! Crates that are not written by their names.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

//~v MISTAKE
pitaya::link!("room");

//~v MISTAKE
pitaya::link!(rooms::room);

//~v MISTAKE
pitaya::link!(std serde_json);

fn main() {}
