//! Items that have no named fields, or several forms.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[message]
struct Pair(String, String);

#[message]
struct Boxed<T> {
    inner: T,
}

#[message]
union Either {
    a: u8,
}

#[message]
fn say() {}

fn main() {}
