//! Remotes with names that every client has.
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
    async fn by_key(&self, msg: Join) -> Result<Join>;
    //~v MISTAKE
    async fn with_timeout(&self) -> Result<Join>;
}

#[remote(server = "room")]
impl Entry {
    //~v MISTAKE
    pub async fn fake(&self) {}
}

fn main() {}
