//! Validation of a message without rules.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[message(validate)]
struct Say {
    text: String,
}

fn main() {}
