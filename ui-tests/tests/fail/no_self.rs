//! A handler without `&self`. Mistakes: 1.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[handler]
impl Entry {
    pub async fn join(_msg: Join) {}
}

fn main() {}
