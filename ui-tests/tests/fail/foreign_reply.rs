//! Replies of foreign types, which cannot be annotated.
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
    pub async fn level(&self) -> Result<u32> {
        Ok(1)
    }
    //~v MISTAKE
    pub async fn all(&self) -> Result<Vec<Join>> {
        Ok(vec![])
    }
    //~v MISTAKE
    pub async fn maybe(&self) -> Result<Option<String>> {
        Ok(None)
    }
}

fn main() {}
