//! Both attributes on free functions.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[handler]
//~v MISTAKE
pub async fn join(_msg: Join) {}

#[remote(server = "room")]
//~v MISTAKE
async fn enter(_msg: Join) {}

fn main() {}
