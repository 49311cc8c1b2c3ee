//! A contract that promises nothing. Mistakes: 1.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[remote(server = "room")]
trait RoomApi {}

fn main() {}
