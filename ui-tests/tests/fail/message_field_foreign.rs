//! Fields of foreign types that have no form on the wire.
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use pitaya::prelude::*;

#[message]
struct Say {
    text: String,
    //~v MISTAKE
    at: Instant,
}

#[message]
struct Nested {
    //~v MISTAKE
    all: Vec<Option<Arc<str>>>,
    //~v MISTAKE
    by_name: HashMap<String, Instant>,
    //~v MISTAKE
    big: [u8; 64],
    own: Vec<Nested>,
}

#[derive(Component)]
struct Entry;

#[handler]
impl Entry {
    pub async fn say(&self, msg: Say) -> Result<Nested> {
        Err(Error::new("PIT-500", msg.text))
    }
}

fn main() {}
