//! Keys of the contract on its implementation.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[remote(server = "room")]
trait RoomApi {
    async fn enter(&self, msg: Join) -> Result<()>;
}

//~v MISTAKE
//~v MISTAKE
#[remote(server = "room", service = "rooms")]
impl RoomApi for Entry {
    //~v ATTRIBUTE
    #[route("go")]
    async fn enter(&self, _msg: Join) -> Result<()> {
        Ok(())
    }
}

fn main() {}
