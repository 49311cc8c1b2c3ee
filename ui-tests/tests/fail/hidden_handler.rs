//! Methods that take a message, and are private.
#![deny(deprecated)]

use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

struct Plain;

#[handler]
impl Entry {
    pub async fn join(&self, msg: Join) -> Result<Join> {
        self.helper(&msg).await;
        self.called(msg.clone()).await;
        Ok(msg)
    }
    //~v MISTAKE
    async fn leave(&self, session: Session, msg: Join) -> Result<()> {
        session.bind(&msg.name).await
    }
    // No message, or none of a call.
    async fn helper(&self, msg: &Join) {
        drop(msg.name.clone());
    }
    async fn plain(&self, _plain: Plain, _text: String) {}
    async fn one(&self, _plain: Plain) {}
    async fn text(&self, _text: String) {}
    async fn raw(&self, _body: Bytes) {}
    async fn two(&self, _one: Join, _two: Join) {}
    async fn called(&self, _msg: Join) {}
    fn not_async(&self, _msg: Join) {}
    #[skip]
    async fn skipped(&self, _msg: Join) {}
}

#[remote(server = "room")]
impl Entry {
    pub async fn enter(&self, msg: Join) -> Result<Join> {
        Ok(msg)
    }
    //~v MISTAKE
    async fn exit(&self, msg: Join) -> Result<Join> {
        Ok(msg)
    }
}

fn main() {}
