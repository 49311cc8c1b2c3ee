//! A handler that is not async.
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
    pub fn join(&self, _msg: Join) -> Result<()> {
        Ok(())
    }
}

fn main() {}
