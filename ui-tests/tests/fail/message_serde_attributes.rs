//! Serde attributes that the schema of a message cannot state.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[message]
#[serde(deny_unknown_fields, tag = "kind")]
struct Say {
    #[serde(flatten)]
    join: Join,
    #[serde(rename(serialize = "a", deserialize = "b"))]
    one: String,
    #[serde(alias = "zwei")]
    two: String,
    #[serde(with = "elsewhere")]
    three: String,
    #[serde(skip_serializing)]
    four: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    five: String,
    #[serde(rename = "one")]
    six: String,
    #[serde(rename = "six")]
    seven: String,
    #[serde(colour = "red")]
    eight: String,
}

fn main() {}
