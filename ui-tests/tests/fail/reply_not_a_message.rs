//! A reply that is not a message.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

struct Player;

#[handler]
impl Entry {
    //~v MISTAKE
    pub async fn join(&self, _msg: Join) -> Result<Player> {
        Ok(Player)
    }
}

fn main() {}
