//! Session data that is no map.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[session]
enum Player {
    One,
}

#[session]
struct Pair(String, String);

#[session]
#[derive(Default)]
struct Boxed<T> {
    inner: T,
}

fn main() {}
