//! A view of session data without `#[session]`.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[derive(Default)]
struct Player {
    name: String,
}

#[handler]
impl Entry {
    pub async fn join(&self, session: Session<Player>) -> Result<()> {
        //~v MISTAKE
        let player = session.data()?;
        drop(player.name);
        Ok(())
    }
}

fn main() {}
