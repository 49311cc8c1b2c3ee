//! `#[handler]` on the implementation of a trait.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

trait Joins {
    fn join(&self);
}

#[handler]
//~v MISTAKE
impl Joins for Entry {
    fn join(&self) {}
}

fn main() {}
