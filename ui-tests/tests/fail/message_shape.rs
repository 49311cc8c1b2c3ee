//! Items that have no named fields, or several forms.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[message]
//~v MISTAKE
struct Pair(String, String);

#[message]
//~v MISTAKE
struct Boxed<T> {
    inner: T,
}

#[message]
//~v MISTAKE
union Either {
    a: u8,
}

#[message]
//~v MISTAKE
struct Ping;

#[message]
//~v MISTAKE
fn say() {}

fn main() {}
