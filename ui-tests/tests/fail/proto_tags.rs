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
    //~v MISTAKE
    no_tag: String,
    #[tag(1)]
    one: String,
    //~v MISTAKE
    #[tag(1)]
    shared: String,
    //~v MISTAKE
    #[tag(0)]
    zero: String,
    //~v MISTAKE
    #[tag(19500)]
    reserved: String,
    //~v ATTRIBUTE
    #[tag("five")]
    five: String,
    #[tag(6)]
    //~v ATTRIBUTE
    #[tag(7)]
    twice: String,
}

#[message]
struct NotProto {
    //~v ATTRIBUTE
    #[tag(1)]
    one: String,
}

fn main() {}
