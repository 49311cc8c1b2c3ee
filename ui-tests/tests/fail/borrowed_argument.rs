//! Arguments that are borrowed, or not named.
use pitaya::{prelude::*, serialize::Message};

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[handler]
impl Entry {
    //~v MISTAKE
    pub async fn join(&self, _msg: &Join) {}
    //~v MISTAKE
    pub async fn say(&self, _text: &str) {}
    //~v MISTAKE
    pub async fn shout(&self, _msg: impl Message) {}
}

fn main() {}
