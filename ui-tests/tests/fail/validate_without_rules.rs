//! Validation of a message without rules.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

//~v MISTAKE
#[message(validate)]
struct Say {
    text: String,
}

fn main() {}
