//! The framework by another name, with its prelude.
extern crate pitaya as game_server;

use game_server::prelude::*;

#[message(crate = game_server)]
pub struct Join {
    pub name: String,
}

#[derive(Component)]
#[component(crate = game_server)]
pub struct Entry;

#[handler(server = "connector", crate = game_server)]
impl Entry {
    pub async fn join(&self, msg: Join) -> Result<Join> {
        Ok(msg)
    }
}

#[remote(server = "room", crate = game_server)]
pub trait RoomApi {
    async fn enter(&self, msg: Join) -> Result<Join>;
}

#[remote(crate = game_server)]
impl RoomApi for Entry {
    async fn enter(&self, msg: Join) -> Result<Join> {
        Ok(msg)
    }
}

#[test]
fn compiles() {
    let _ = (Entry::JOIN, RoomApiClient::ENTER);
}
