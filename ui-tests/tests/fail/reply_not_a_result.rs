//! A return type that is no reply at all.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[handler]
impl Entry {
    //~v MISTAKE
    pub async fn join(&self, _msg: Join) -> Join {
        Join { name: String::new() }
    }
}

fn main() {}
