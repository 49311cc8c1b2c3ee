//! A field whose shape is not known. Mistakes: 1.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[derive(Clone, Debug)]
struct Place;

#[message]
struct Say {
    place: Place,
}

fn main() {}
