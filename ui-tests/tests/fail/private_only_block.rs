//! A block whose functions are all private.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[handler]
//~v MISTAKE
impl Entry {
    async fn join(&self, _msg: Join) {}
}

fn main() {}
