//! A contract that is generic.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[remote(server = "room")]
//~v MISTAKE
trait RoomApi<T> {
    async fn enter(&self, msg: Join) -> Result<Join>;
}

fn main() {}
