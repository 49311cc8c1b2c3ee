//! `#[handler]` on the implementation of a trait. Mistakes: 1.
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
impl Joins for Entry {
    fn join(&self) {}
}

fn main() {}
