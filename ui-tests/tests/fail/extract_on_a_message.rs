//! A message that is marked as an extractor.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[remote(server = "room")]
impl Entry {
    //~v MISTAKE
    pub async fn join(&self, #[extract] _msg: Join) -> Result<Join> {
        Ok(Join { name: String::new() })
    }
}

fn main() {}
