//! Both attributes on free functions. Mistakes: 2.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[handler]
pub async fn join(_msg: Join) {}

#[remote(server = "room")]
async fn enter(_msg: Join) {}

fn main() {}
