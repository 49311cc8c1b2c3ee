//! Timeouts of routes that are not durations, are zero, are given twice or belong on the contract.
use pitaya::prelude::*;
use pitaya::timeout;

#[derive(Component)]
pub struct Entry;

//~v MISTAKE
#[handler(timeout = "soon")]
impl Entry {
    //~v MISTAKE
    #[timeout("10")]
    pub async fn no_unit(&self) {}
    //~v MISTAKE
    #[timeout("3d")]
    pub async fn unknown_unit(&self) {}
    //~v MISTAKE
    #[timeout("0s")]
    pub async fn zero(&self) {}
    //~v ATTRIBUTE
    #[timeout]
    pub async fn nothing(&self) {}
    //~v ATTRIBUTE
    #[timeout(5)]
    pub async fn a_number(&self) {}
    #[timeout("1s")]
    //~v ATTRIBUTE
    #[timeout("2s")]
    pub async fn twice(&self) {}
}

//~v MISTAKE
#[handler(timeout = "2s", timeout = "1s")]
impl Entry {
    pub async fn block_twice(&self) {}
}

//~v MISTAKE
#[handler(timeout = 5)]
impl Entry {
    pub async fn block_number(&self) {}
}

//~v MISTAKE
#[remote(server = "room", timeout = "1 s")]
trait RoomApi {
    //~v MISTAKE
    #[timeout("-1s")]
    async fn enter(&self);
    async fn leave(&self);
}

//~v MISTAKE
#[remote(timeout = "1s")]
impl RoomApi for Entry {
    async fn enter(&self) {}
    //~v ATTRIBUTE
    #[timeout("1s")]
    async fn leave(&self) {}
}

#[timeout("1s")]
//~v MISTAKE
fn alone() {}

fn main() {}
