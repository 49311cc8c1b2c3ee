//! Replies of remotes that are no messages.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

struct Player;

#[remote(server = "room")]
trait RoomApi {
    //~v MISTAKE
    async fn enter(&self, msg: Join) -> Result<Player>;
}

#[remote(server = "room")]
impl Entry {
    //~v MISTAKE
    pub async fn leave(&self, _msg: Join) -> Result<Option<Player>> {
        Ok(None)
    }
}

fn main() {}
