//! Nothing that is generated is unsafe.
#![forbid(unsafe_code)]
use pitaya::prelude::*;
use pitaya::{PitayaError, Rpc, session};

#[message(proto, push = "onJoin")]
pub struct Join {
    #[tag(1)]
    pub name: String,
    #[tag(2, enum(Team))]
    pub team: i32,
}

#[message(proto)]
pub enum Team {
    Red = 0,
}

#[session]
#[derive(Default)]
pub struct Player {
    name: String,
}

#[derive(Component)]
pub struct Entry {
    rpc: Rpc,
}

#[derive(Debug, thiserror::Error, PitayaError)]
#[error("full")]
#[pitaya(code = "E-1")]
pub struct Full;

#[handler(server = "connector")]
impl Entry {
    pub async fn join(&self, session: Session<Player>, _msg: Join) -> Result<Join, Full> {
        let _ = (session.data().map(|player| player.name), &self.rpc);
        Err(Full)
    }
}

#[remote(server = "room")]
pub trait RoomApi {
    async fn enter(&self, msg: Join) -> Result<Join>;
}

#[remote]
impl RoomApi for Entry {
    async fn enter(&self, msg: Join) -> Result<Join> {
        Ok(msg)
    }
}

#[remote]
impl Entry {
    pub async fn leave(&self, _msg: Join) {}
}

#[test]
fn compiles() {}
