//! A contract that is unsafe.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[remote(server = "room")]
//~v MISTAKE
unsafe trait RoomApi {
    async fn enter(&self, msg: Join) -> Result<Join>;
}

fn main() {}
