//! A state that is a trait object.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

trait Store: Send + Sync {}

#[derive(Component)]
struct Shop {
    //~v MISTAKE
    store: State<dyn Store>,
}

#[handler]
impl Entry {
    //~v MISTAKE
    pub async fn join(&self, _store: State<dyn Store>, msg: Join) -> Result<Join> {
        Ok(msg)
    }
}

fn main() {}
