//! Validation of a message without rules. Mistakes: 1.
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
