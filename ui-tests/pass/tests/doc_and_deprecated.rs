//! Documentation and deprecation go on to the client; what is generated uses a deprecated method without a word.
#![deny(warnings)]
use pitaya::prelude::*;

#[derive(Component)]
pub struct Entry;

#[handler]
impl Entry {
    /// Old.
    #[deprecated = "use `new`"]
    pub async fn old(&self) {}
}

#[remote(server = "room")]
pub trait RoomApi {
    /// Old.
    #[deprecated(note = "use `new`")]
    async fn old(&self) -> Result<()>;
    #[doc = "New."]
    async fn new(&self) -> Result<()>;
}

#[remote]
#[allow(deprecated)]
impl RoomApi for Entry {
    async fn old(&self) -> Result<()> {
        Ok(())
    }
    async fn new(&self) -> Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn compiles() {
    let client = RoomApiClient::fake(Entry);
    client.new().await.unwrap();
    #[allow(deprecated)]
    client.old().await.unwrap();
}
