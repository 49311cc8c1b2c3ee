//! Tags that are missing, wrong or shared.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[message(proto)]
struct Say {
    no_tag: String,
    #[tag(1)]
    one: String,
    #[tag(1)]
    shared: String,
    #[tag(0)]
    zero: String,
    #[tag(19500)]
    reserved: String,
    #[tag("five")]
    five: String,
    #[tag(6)]
    #[tag(7)]
    twice: String,
}

#[message]
struct NotProto {
    #[tag(1)]
    one: String,
}

fn main() {}
