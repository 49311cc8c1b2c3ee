//! Enums whose values travel by name.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
enum Numbered {
    //~v MISTAKE
    Red = 1,
}

#[message]
//~v MISTAKE
enum Empty {}

//~v MISTAKE
#[message(push = "onMode")]
enum Pushed {
    Solo,
}

#[message]
enum Twice {
    Solo,
    #[serde(rename = "Solo")]
    //~v MISTAKE
    Team,
}

#[message]
//~v MISTAKE
#[serde(rename_all = "snake")]
enum Case {
    Solo,
}

#[message]
//~v MISTAKE
#[serde(untagged)]
enum Untagged {
    Solo,
}

#[message]
enum Other {
    Solo,
    //~v MISTAKE
    #[serde(other)]
    Unknown,
}

#[message]
#[derive(Default)]
enum LateDefault {
    Solo,
    #[default]
    //~v MISTAKE
    Team,
}

fn main() {}
