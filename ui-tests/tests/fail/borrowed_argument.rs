//! Arguments that are borrowed, or not named.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[handler]
impl Entry {
    pub async fn join(&self, _msg: &Join) {}
    pub async fn say(&self, _text: &str) {}
    pub async fn shout(&self, _msg: impl Message) {}
}

fn main() {}
