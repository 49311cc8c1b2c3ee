//! A block without anything.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[handler]
//~v MISTAKE
impl Entry {}

fn main() {}
