//! A key that does not exist.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

//~v MISTAKE
#[handler(servr = "connector")]
impl Entry {
    pub async fn join(&self, _msg: Join) {}
}

fn main() {}
