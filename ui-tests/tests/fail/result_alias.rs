//! An alias of a result whose name does not say so.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

type Res<T> = Result<T>;

#[handler]
impl Entry {
    //~v MISTAKE
    pub async fn join(&self, msg: Join) -> Res<Join> {
        Ok(msg)
    }
}

fn main() {}
