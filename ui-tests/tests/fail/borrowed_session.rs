//! A borrowed session beside a message: one mistake.
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
    pub async fn join(&self, session: &Session, msg: Join) -> Result<Join> {
        session.bind(&msg.name).await?;
        Ok(msg)
    }
}

fn main() {}
