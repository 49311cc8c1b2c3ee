//! A field that the app has not got, and one that has no default.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

struct Db;

#[derive(Component)]
struct Shop {
    //~v MISTAKE
    db: Db,
    #[component(default)]
    //~v MISTAKE
    other: Db,
}

fn main() {}
