//! A session by another name.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

type Caller = Session<()>;

#[remote(server = "room")]
impl Entry {
    //~v MISTAKE
    pub async fn leave(&self, _msg: Join, #[extract] _caller: Caller) {}
}

fn main() {}
