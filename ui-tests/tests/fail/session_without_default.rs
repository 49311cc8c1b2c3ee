//! Session data that cannot start empty.
use pitaya::{prelude::*, session};

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[session]
//~v MISTAKE
struct Player {
    name: String,
}

fn main() {}
