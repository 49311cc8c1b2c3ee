//! Arguments of remotes that are no messages.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

struct Unknown;

#[remote(server = "room")]
trait RoomApi {
    //~v MISTAKE
    async fn enter(&self, msg: Unknown) -> Result<Join>;
}

#[remote(server = "room")]
impl Entry {
    //~v MISTAKE
    pub async fn leave(&self, _msg: Unknown) -> Result<()> {
        Ok(())
    }
}

fn main() {}
