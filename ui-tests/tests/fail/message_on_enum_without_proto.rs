//! Enums as messages.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[message]
enum Shape {
    Round(Join),
    Square,
}

fn main() {}
