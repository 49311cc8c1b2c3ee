//! Routes that are called as those of another kind.
use pitaya::client::Client;
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[handler]
impl Entry {
    pub async fn join(&self, msg: Join) -> Result<Join> {
        Ok(msg)
    }
    pub async fn say(&self, _msg: Join) {}
}

#[remote(server = "room")]
trait RoomApi {
    async fn enter(&self, msg: Join) -> Result<Join>;
}

async fn call(client: Client, app: App, join: Join) -> Result<()> {
    //~v MISTAKE
    client.request(&RoomApiClient::ENTER, &join).await?;
    //~v MISTAKE
    client.notify(&RoomApiClient::ENTER, &join).await?;
    //~v MISTAKE
    client.request(&Entry::SAY, &join).await?;
    //~v MISTAKE
    client.notify(&Entry::JOIN, &join).await?;
    //~v MISTAKE
    app.rpc(&Entry::JOIN, &join).await?;
    //~v MISTAKE
    client.request(&Entry::JOIN, &()).await?;
    Ok(())
}

fn main() {}
