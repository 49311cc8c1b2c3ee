//! A key twice.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

//~v MISTAKE
#[handler(server = "connector", server = "room")]
impl Entry {
    pub async fn join(&self, _msg: Join) {}
}

fn main() {}
