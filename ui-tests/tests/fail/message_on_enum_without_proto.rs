//! Enums as messages.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[message]
//~v MISTAKE
enum Shape {
    Round(Join),
    Square,
}

fn main() {}
