//! An argument that is neither an extractor nor a message.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

struct Unknown;

#[handler]
impl Entry {
    //~v MISTAKE
    pub async fn join(&self, _session: Session, _msg: Unknown) -> Result<()> {
        Ok(())
    }
}

fn main() {}
