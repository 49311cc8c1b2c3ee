//! Keys of messages and of fields that mean nothing.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

//~v MISTAKE
#[message(json = "full")]
struct Plain {
    n: u8,
}

//~v MISTAKE
#[message(proto, json = "all")]
struct Other {
    #[tag(1)]
    n: i32,
}

#[message]
struct Texts {
    #[field(text)]
    //~v MISTAKE
    small: i32,
    #[field(text)]
    //~v MISTAKE
    words: String,
    //~v MISTAKE
    #[field(name)]
    other: u64,
    //~v ATTRIBUTE
    #[field]
    none: u64,
}

#[message]
struct Times {
    #[field(nanos)]
    //~v MISTAKE
    count: u64,
}

#[message(proto)]
struct Wait {
    #[tag(1)]
    #[field(nanos)]
    //~v MISTAKE
    time: std::time::Duration,
}

fn main() {}
