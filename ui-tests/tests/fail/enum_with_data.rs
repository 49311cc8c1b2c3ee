//! Messages of several shapes.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[message(proto)]
//~v MISTAKE
enum Proto {
    Round(Join),
    Square,
}

#[message]
enum Tuple {
    //~v MISTAKE
    Round(u8, u8),
    Square,
}

#[message]
//~v MISTAKE
#[serde(untagged)]
enum Untagged {
    Round(Join),
    Square,
}

#[message]
//~v MISTAKE
#[serde(content = "data")]
enum Content {
    Round(Join),
    Square,
}

#[message]
#[serde(tag = "kind", content = "kind")]
//~v MISTAKE
enum SameKey {
    Round(Join),
    Square,
}

#[message]
enum Numbered {
    Round(Join),
    //~v MISTAKE
    Square = 1,
}

#[message]
enum Twice {
    Round(Join),
    #[serde(rename = "Round")]
    //~v MISTAKE
    Square,
}

#[message]
enum FieldOfKey {
    Round {
        //~v MISTAKE
        r#type: u8,
    },
    Square,
}

#[message]
#[serde(tag = "name")]
enum MessageOfKey {
    //~v MISTAKE
    Round(Join),
    Square,
}

#[message]
enum Nested {
    //~v MISTAKE
    Round(FieldOfOther),
    Square,
}

#[message]
#[serde(tag = "kind")]
enum FieldOfOther {
    Round(Join),
    Square,
}

#[message]
enum Flat {
    Round {
        //~v MISTAKE
        #[serde(flatten)]
        join: Join,
    },
    //~v MISTAKE
    #[serde(skip)]
    Square,
}

#[message]
#[derive(Default)]
enum LateDefault {
    Round(Join),
    #[default]
    //~v MISTAKE
    Square,
}

#[derive(Clone, Debug)]
struct Foreign;

#[message]
enum NoSchema {
    Round {
        //~v MISTAKE
        one: Foreign,
    },
    Square,
}

#[message]
#[serde(tag = "type", content = "data")]
enum NoValue {
    //~v MISTAKE
    Round(Foreign),
    Square,
}

fn main() {}
