//! Types of arguments and replies that are not written out.
use pitaya::{prelude::*, serialize::Message};

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[handler]
impl Entry {
    //~v MISTAKE
    pub async fn any(&self, _msg: Box<impl Message>) {}
    //~v MISTAKE
    pub async fn borrowed_reply(&self) -> Result<&Join> {
        todo!()
    }
    //~v MISTAKE
    pub async fn pair(&self) -> (Join, Join) {
        todo!()
    }
    //~v MISTAKE
    pub async fn maybe(&self) -> Option<Join> {
        None
    }
}

fn main() {}
