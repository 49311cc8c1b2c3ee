//! Keys that cannot be read.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

//~v MISTAKE
#[handler("connector")]
impl Entry {
    pub async fn join(&self, _msg: Join) {}
}

//~v MISTAKE
#[remote(crate = "pitaya")]
impl Entry {
    pub async fn enter(&self, _msg: Join) {}
}

fn main() {}
