//! A handler that takes two messages.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[message]
struct Other {
    name: String,
}

#[handler]
impl Entry {
    //~v MISTAKE
    pub async fn join(&self, _msg: Join, _session: Session, _other: Other) {}
}

fn main() {}
