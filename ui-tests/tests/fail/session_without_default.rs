//! Session data that cannot start empty. Mistakes: 1.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[session]
struct Player {
    name: String,
}

fn main() {}
