//! A remote that takes two messages.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[remote(server = "room")]
trait RoomApi {
    //~v MISTAKE
    async fn enter(&self, msg: Join, other: Join) -> Result<Join>;
}

fn main() {}
