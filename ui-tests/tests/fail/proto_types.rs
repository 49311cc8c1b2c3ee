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
    //~v MISTAKE
    place: Place,
    #[tag(2)]
    //~v MISTAKE
    size: usize,
    //~v MISTAKE
    #[tag(3, fixed32)]
    signed: i32,
    #[tag(4, enum(Team))]
    //~v MISTAKE
    team: Team,
    #[tag(5)]
    //~v MISTAKE
    nested: Option<Vec<i32>>,
    //~v MISTAKE
    #[tag(6, sint32)]
    text: String,
    #[tag(7)]
    //~v MISTAKE
    pair: (i32, i32),
    #[tag(8)]
    //~v MISTAKE
    set: std::collections::HashSet<i32>,
}

#[message(proto)]
enum Team {
    Red = 0,
}

fn main() {}
