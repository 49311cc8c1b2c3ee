//! An implementation that lacks a remote of its contract.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[remote(server = "room")]
trait RoomApi {
    async fn enter(&self, msg: Join) -> Result<Join>;
    async fn leave(&self) -> Result<()>;
}

#[remote]
//~v MISTAKE
impl RoomApi for Entry {
    async fn enter(&self, msg: Join) -> Result<Join> {
        Ok(msg)
    }
}

fn main() {}
