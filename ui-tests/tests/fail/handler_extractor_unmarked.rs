//! A handler with an extractor that the macro cannot know, and a message that is marked as one.
use pitaya::{component::{Call, Extract, Handler}, prelude::*};

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

struct Uid;

impl Extract<Handler> for Uid {
    async fn extract(_call: &mut Call<Handler>) -> Result<Self> {
        Ok(Self)
    }
}

#[handler]
impl Entry {
    //~v MISTAKE
    pub async fn join(&self, _uid: Uid) {}
    //~v MISTAKE
    pub async fn say(&self, #[extract] _msg: Join) {}
}

fn main() {}
