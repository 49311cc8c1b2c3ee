//! A contract that promises nothing.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[remote(server = "room")]
//~v MISTAKE
trait RoomApi {}

fn main() {}
