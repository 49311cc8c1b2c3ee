//! A handler that holds an `Rc` while it waits.
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
    pub async fn join(&self, msg: Join) {
        let name = std::rc::Rc::new(msg.name);
        other().await;
        drop(name);
    }
}

async fn other() {}

fn main() {}
