//! Remotes that ask for the session of a client.
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
    async fn enter(&self, session: Session, msg: Join) -> Result<Join>;
}

#[remote(server = "room")]
impl Entry {
    //~v MISTAKE
    pub async fn leave(&self, _msg: Join, _session: pitaya::session::Session<()>) {}
}

fn main() {}
