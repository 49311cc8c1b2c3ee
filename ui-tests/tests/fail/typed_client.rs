//! Mistakes with generated clients of handlers.
use pitaya::client::Client;
use pitaya::prelude::*;

#[message]
struct Join {
    name: String,
}

#[message]
struct Say {
    text: String,
}

#[derive(Component)]
struct Entry;

#[handler(server = "connector", client)]
impl Entry {
    pub async fn join(&self, _msg: Join) -> Result<Join> {
        Err(Error::internal("unused"))
    }
    pub async fn say(&self, _msg: Say) {}
    //~v MISTAKE
    pub async fn clone(&self) {}
}

#[derive(Component)]
struct Other;

pitaya::clients! {
    struct Chat {
        entry: Entry,
    }
}

async fn bot(client: Client) -> Result<()> {
    let chat = Chat::new(client);
    //~v MISTAKE
    chat.entry().join(&Say { text: String::new() }).await?;
    //~v MISTAKE
    let _: Result<Say> = chat.entry().join(&Join { name: String::new() }).await;
    //~v MISTAKE
    chat.entry().leave().await
}

//~v MISTAKE
#[remote(server = "room", client)]
impl Other {
    pub async fn pong(&self) {}
}

fn main() {}
