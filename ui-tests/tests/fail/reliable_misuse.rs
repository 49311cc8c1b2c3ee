//! Jobs with another message, with options of no job, and of a client without a server type.
use pitaya::prelude::*;

#[derive(Component)]
struct Everywhere;

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
    async fn join(&self, msg: Join) -> Result<Join>;
    //~v MISTAKE
    async fn once(&self) -> Result<Join>;
}

#[remote]
impl Everywhere {
    pub async fn ping(&self) {}
}

async fn enqueue(room: RoomApiClient, every: EverywhereClient, leave: Leave) -> Result<()> {
    //~v MISTAKE
    room.reliable().join(&leave).await?;
    //~v MISTAKE
    room.reliable().by_key("ann");
    //~v MISTAKE
    every.reliable().ping().await?;
    Ok(())
}

fn main() {}
