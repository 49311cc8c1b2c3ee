//! Enums whose numbers are missing or wrong.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[message(proto)]
enum Team {
    Red,
    Blue = 1,
}

#[message(proto)]
enum Color {
    Red = 1,
}

#[message(proto)]
enum Shape {
    Square = 0,
    Round(u8) = 1,
}

#[message(proto, push = "onKind")]
enum Kind {
    A = 0,
}

fn main() {}
