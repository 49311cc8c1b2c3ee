//! A contract with a body, and one with more than remotes.
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
    const LIMIT: usize;
    //~v MISTAKE
    async fn enter(&self, msg: Join) -> Result<Join> {
        Ok(msg)
    }
    async fn leave(&self) -> Result<()>;
}

fn main() {}
