//! Signatures that no route can have.
use std::sync::Arc;

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
    pub async fn shared(self: Arc<Self>, _msg: Join) {}
    //~v MISTAKE
    pub async fn written_out(self: &Self) {}
    //~v MISTAKE
    pub async fn forever(&'static self) {}
    //~v MISTAKE
    pub async fn with_lifetime<'a>(&'a self) {}
    //~v MISTAKE
    pub async unsafe fn not_safe(&self) {}
    //~v MISTAKE
    pub const fn constant(&self) {}
    //~v MISTAKE
    pub extern "C" fn foreign(&self) {}
    //~v MISTAKE
    pub fn by_hand(&self) -> impl Future<Output = Result<Join>> + Send {
        async { Ok(Join { name: String::new() }) }
    }
    //~v MISTAKE
    pub async fn hidden_reply(&self) -> Result<impl Message> {
        Ok(Join { name: String::new() })
    }
    pub async fn conditions(&self)
    //~v MISTAKE
    where
        u8: Send,
    {
    }
    //~v MISTAKE
    pub async fn itself(&self, _msg: Arc<Self>) {}
    //~v ATTRIBUTE
    pub async fn sometimes(&self, #[cfg(any())] _msg: Join) {}
    //~v MISTAKE
    #[cfg_attr(all(), route("other"))]
    pub async fn renamed(&self) {}
    //~v MISTAKE
    #[cfg_attr(all(), cfg(all()))]
    pub async fn there_or_not(&self) {}
}

fn main() {}
