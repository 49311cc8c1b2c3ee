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
    //~v MISTAKE
    Red,
    Blue = 1,
}

#[message(proto)]
enum Color {
    //~v MISTAKE
    Red = 1,
}

#[message(proto)]
enum Shape {
    Square = 0,
    //~v MISTAKE
    Round(u8) = 1,
}

//~v MISTAKE
#[message(proto, push = "onKind")]
enum Kind {
    A = 0,
}

#[message(proto)]
enum Same {
    A = 0,
    //~v MISTAKE
    B = 0,
}

fn main() {}
