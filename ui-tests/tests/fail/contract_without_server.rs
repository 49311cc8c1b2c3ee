//! A contract that does not say who serves it.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

//~v ATTRIBUTE
#[remote]
trait RoomApi {
    async fn enter(&self, msg: Join) -> Result<Join>;
}

fn main() {}
