//! A typed client of handlers whose messages and components have the names that the macros use.
#![deny(warnings)]
use pitaya::client::Client;
use pitaya::prelude::*;

#[message]
struct Connection {
    id: u64,
}

#[message]
struct Opened {
    connection: Connection,
}

#[derive(Component)]
struct Entry;

#[handler(server = "connector", client)]
impl Entry {
    pub async fn open(&self, msg: Connection) -> Result<Opened> {
        Ok(Opened { connection: msg })
    }

    pub async fn close(&self, msg: Opened) -> Result<Connection> {
        Ok(msg.connection)
    }
}

pitaya::clients! {
    /// Its service has a name that the macro uses, too.
    struct Game { connection: Entry }
}

async fn call(game: &Game<Client>) -> Result<()> {
    let Opened { connection } = game.connection().open(&Connection { id: 1 }).await?;
    let _: Connection = game.connection().close(&Opened { connection }).await?;
    Ok(())
}

#[test]
fn compiles() {
    let _ = call;
}
