//! Keys with values of the wrong kind.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

//~v MISTAKE
//~v MISTAKE
//~v MISTAKE
#[handler(server = connector, service, rename_all = "shouting")]
impl Entry {
    pub async fn join(&self, _msg: Join) {}
}

fn main() {}
