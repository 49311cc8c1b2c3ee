//! Crates that are not written by their names.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

pitaya::link!("room");

fn main() {}
