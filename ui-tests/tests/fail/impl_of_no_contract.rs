//! `#[remote]` on the implementation of a trait that is no contract.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

trait RoomApi {}

#[remote]
//~v MISTAKE
impl RoomApi for Entry {}

fn main() {}
