//! A call with another message than the remote takes.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[message]
struct Leave {
    name: String,
}

#[remote(server = "room")]
trait RoomApi {
    async fn enter(&self, msg: Join) -> Result<Join>;
}

async fn call(room: &RoomApiClient) -> Result<Join> {
    //~v MISTAKE
    room.enter(&Leave { name: String::new() }).await
}

fn main() {}
