//! A remote with an extractor that the macro cannot know.
use pitaya::{component::{Call, Extract, Remote}, prelude::*};

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

struct Loaded;

impl Extract<Remote> for Loaded {
    async fn extract(_call: &mut Call<Remote>) -> Result<Self> {
        Ok(Self)
    }
}

#[remote(server = "room")]
impl Entry {
    //~v MISTAKE
    pub async fn join(&self, _player: Loaded) -> Result<Join> {
        Ok(Join { name: String::new() })
    }
}

fn main() {}
