//! A condition on a method guards all that is made of it.
use pitaya::prelude::*;

#[message]
struct Join {
    name: String,
    #[cfg(any())]
    gone: Gone,
}

#[derive(Component)]
struct Entry {
    #[cfg(any())]
    gone: Gone,
}

#[handler]
impl Entry {
    pub async fn join(&self, _msg: Join) {}
    #[cfg(any())]
    pub async fn gone(&self, _msg: Gone, #[extract] _other: Gone) -> Result<Gone> {}
    #[cfg(all())]
    pub async fn either(&self) {}
    #[cfg(any())]
    pub async fn either(&self) {}
}

#[remote(server = "room")]
trait RoomApi {
    async fn enter(&self, req: Join) -> Result<Join>;
    #[cfg(any())]
    async fn gone(&self, req: Gone) -> Result<Gone>;
}

#[remote]
impl RoomApi for Entry {
    async fn enter(&self, req: Join) -> Result<Join> {
        Ok(req)
    }
}

#[remote(server = "room")]
impl Entry {
    pub async fn leave(&self) -> Result<()> {
        Ok(())
    }
    #[cfg(any())]
    pub async fn never(&self, req: Gone) -> Result<Gone> {}
}

#[test]
fn compiles() {
    let _ = (RoomApiClient::ENTER, EntryClient::LEAVE);
}
