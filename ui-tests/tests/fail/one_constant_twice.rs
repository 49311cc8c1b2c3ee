//! Two remotes whose constants would have one name.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[remote(server = "room")]
#[allow(non_snake_case)]
trait RoomApi {
    async fn enter_room(&self, msg: Join) -> Result<Join>;
    //~v MISTAKE
    async fn enterRoom(&self, msg: Join) -> Result<Join>;
}

fn main() {}
