//! An error that clients could not read.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[handler]
impl Entry {
    //~v MISTAKE
    pub async fn join(&self, _msg: Join) -> Result<Join, std::io::Error> {
        Ok(Join { name: String::new() })
    }
}

fn main() {}
