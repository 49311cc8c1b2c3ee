//! Types that have no form in Protobuf.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[message(proto)]
struct Place {
    #[tag(1)]
    x: i32,
}

#[message(proto)]
struct Say {
    #[tag(1)]
    place: Place,
    #[tag(2)]
    size: usize,
    #[tag(3, fixed32)]
    signed: i32,
    #[tag(4, enum(Team))]
    team: Team,
    #[tag(5)]
    nested: Option<Vec<i32>>,
    #[tag(6, sint32)]
    text: String,
}

#[message(proto)]
enum Team {
    Red = 0,
}

fn main() {}
