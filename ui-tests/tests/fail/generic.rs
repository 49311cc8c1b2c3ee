//! A generic handler.
use pitaya::{prelude::*, serialize::Message};

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[handler]
impl Entry {
    //~v MISTAKE
    pub async fn join<T: Message>(&self, _msg: T) {}
}

fn main() {}
