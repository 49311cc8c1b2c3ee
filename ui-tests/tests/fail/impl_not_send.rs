//! An implementation that holds an `Rc` while it waits.
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

#[remote]
impl RoomApi for Entry {
    //~v MISTAKE
    async fn enter(&self, msg: Join) -> Result<()> {
        let name = std::rc::Rc::new(msg.name);
        other().await;
        drop(name);
        Ok(())
    }
}

async fn other() {}

fn main() {}
