//! A push of a message that has no route.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[handler]
impl Entry {
    pub async fn join(&self, session: Session, msg: Join) -> Result<Join> {
        //~v MISTAKE
        session.push(&msg).await?;
        Ok(msg)
    }
}

fn main() {}
