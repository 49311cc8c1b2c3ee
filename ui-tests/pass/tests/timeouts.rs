//! Timeouts of blocks, of methods and of contracts.
#![deny(warnings)]
use pitaya::Context;
use pitaya::prelude::*;

#[derive(Component)]
pub struct Entry;

#[handler(server = "connector", timeout = "1.5s")]
impl Entry {
    pub async fn join(&self) {}
    #[timeout("1h")]
    #[concurrent]
    pub async fn wait(&self, cx: Context) -> Result<()> {
        let _ = cx.route();
        Ok(())
    }
}

#[remote(server = "room", timeout = "1m30s")]
pub trait RoomApi {
    #[pitaya::timeout("5s")]
    async fn enter(&self) -> Result<()>;
    async fn leave(&self);
}

#[remote]
impl RoomApi for Entry {
    async fn enter(&self) -> Result<()> {
        Ok(())
    }
    async fn leave(&self) {}
}

#[test]
fn compiles() {
    let _ = (Entry::JOIN, Entry::WAIT, RoomApiClient::ENTER);
}
