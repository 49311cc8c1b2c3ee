//! Fields that a message cannot have, and attributes that are not the user's to write.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[message]
struct Say {
    //~v MISTAKE
    text: &'static str,
    //~v ATTRIBUTE
    #[cfg_attr(all(), serde(rename = "other"))]
    one: String,
    //~v ATTRIBUTE
    #[prost(string)]
    two: String,
    //~v ATTRIBUTE
    #[serde]
    three: String,
    //~v MISTAKE
    #[serde(rename = 4)]
    four: String,
    //~v MISTAKE
    #[serde(skip = "true")]
    five: String,
}

#[message]
//~v MISTAKE
#[serde(rename_all = "Shouting")]
struct Shout {
    text: String,
}

fn main() {}
