//! Crates that are not written by their names. Mistakes: 1.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

pitaya::link!("room");

fn main() {}
