//! Serde attributes that the schema of a message cannot state.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[message]
//~v MISTAKE
//~v MISTAKE
#[serde(deny_unknown_fields, tag = "kind")]
struct Say {
    //~v MISTAKE
    #[serde(flatten)]
    join: Join,
    //~v MISTAKE
    #[serde(rename(serialize = "a", deserialize = "b"))]
    one: String,
    //~v MISTAKE
    #[serde(alias = "zwei")]
    two: String,
    //~v MISTAKE
    #[serde(with = "elsewhere")]
    three: String,
    //~v MISTAKE
    #[serde(skip_serializing)]
    four: String,
    //~v MISTAKE
    #[serde(skip_serializing_if = "String::is_empty")]
    five: String,
    #[serde(rename = "one")]
    six: String,
    #[serde(rename = "six")]
    seven: String,
    //~v MISTAKE
    #[serde(colour = "red")]
    eight: String,
}

fn main() {}
