//! A field whose shape is not known.
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
    //~v MISTAKE
    place: Place,
}

fn main() {}
