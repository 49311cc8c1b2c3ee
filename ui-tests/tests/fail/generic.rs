//! A generic handler. Mistakes: 1.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[handler]
impl Entry {
    pub async fn join<T: Message>(&self, _msg: T) {}
}

fn main() {}
