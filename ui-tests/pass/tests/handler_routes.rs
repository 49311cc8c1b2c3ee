//! Each handler gives its type a constant, with which a client calls it.
#![deny(warnings)]
use pitaya::client::Client;
use pitaya::component::Handler;
use pitaya::component::{Call, Extract};
use pitaya::prelude::*;
use pitaya::route::Notify;
use pitaya::{AnyError, Route, Users};

#[message]
pub struct Join {
    pub name: String,
}

#[message]
struct Secret {
    name: String,
}

pub struct Uid(String);

impl Extract<Handler> for Uid {
    async fn extract(call: &mut Call<Handler>) -> Result<Self> {
        Ok(Self(call.session::<()>().require_uid()?.to_string()))
    }
}

type JoinResult = std::result::Result<Join, Error>;

#[derive(Component)]
pub struct Entry;

#[handler(server = "connector", rename_all = "camelCase")]
impl Entry {
    pub async fn join_room(&self, _session: Session, msg: Join) -> Result<Option<Join>> {
        Ok(Some(msg))
    }
    #[route("Say")]
    pub async fn say(&self, _msg: Join) {}
    pub async fn told(&self, #[extract] uid: Uid, _msg: Join) -> () {
        drop(uid.0);
    }
    pub async fn raw(&self, body: Bytes) -> Result<Bytes, AnyError> {
        Ok(body)
    }
    pub async fn nothing(&self) -> Result<()> {
        Ok(())
    }
    pub async fn alias(&self, msg: Join) -> JoinResult {
        Ok(msg)
    }
    pub async fn served(&self, groups: Groups, msg: Join, _users: Users) {
        drop((groups, msg));
    }
    pub async fn r#loop(&self) {}
    /// Old.
    #[deprecated]
    pub async fn old(&self) {}
    #[cfg(any())]
    pub async fn gone(&self, _msg: Gone) -> Result<Gone> {}
    const LIMIT: usize = 1;
    #[skip]
    pub fn limit(&self) -> usize {
        Self::LIMIT
    }
}

/// A private type with a private message.
#[derive(Component)]
struct Hidden;

#[handler]
impl Hidden {
    pub async fn keep(&self, msg: Secret) -> Result<Secret> {
        let _ = &msg.name;
        Ok(msg)
    }
}

impl Entry {
    pub const GONE: u8 = 0;
}

async fn call(client: &Client) -> Result<()> {
    let join = Join { name: String::new() };
    let _: Join = client.request(&Entry::JOIN_ROOM, &join).await?;
    let _: Bytes = client.request(&Entry::RAW, &Bytes::new()).await?;
    let _: Join = client.request(&Entry::ALIAS, &join).await?;
    let () = client.request(&Entry::NOTHING, &()).await?;
    client.notify(&Entry::SAY, &join).await?;
    client.notify(&Entry::TOLD, &join).await?;
    client.notify(&Entry::LOOP, &()).await
}

#[test]
fn compiles() {
    let _ = call;
    let route: Route<Join, Join, Handler> = Entry::JOIN_ROOM;
    assert_eq!(route.path(), "connector.entry.joinRoom");
    let route: Route<Join, (), Notify> = Entry::SAY;
    assert_eq!(route.path(), "connector.entry.Say");
    assert_eq!(Entry::LOOP.path(), "connector.entry.loop");
    assert_eq!(Hidden::KEEP.path(), "hidden.keep");
    assert_eq!((Entry::GONE, Entry.limit()), (0, 1));
    #[allow(deprecated)]
    let _ = Entry::OLD;
}
