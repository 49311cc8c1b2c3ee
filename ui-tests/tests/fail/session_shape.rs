//! Session data that is no map.
use pitaya::{prelude::*, session};

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[session]
//~v MISTAKE
enum Player {
    One,
}

#[session]
//~v MISTAKE
struct Pair(String, String);

#[session]
#[derive(Default)]
//~v MISTAKE
struct Boxed<T> {
    inner: T,
}

#[session]
#[derive(Default)]
//~v MISTAKE
struct Nothing;

fn main() {}
