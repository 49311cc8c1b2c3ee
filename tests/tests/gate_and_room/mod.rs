//! A gate that calls a room.

use std::collections::BTreeMap;

use pitaya::context::Context;
use pitaya::prelude::*;

/// The target of the line that `RoomApi::enter` logs.
pub(crate) const ENTERED: &str = "entered";

#[message]
pub(crate) struct Name {
    pub(crate) name: String,
}

/// The `traceparent` of two calls.
#[message]
pub(crate) struct Spans {
    pub(crate) first: String,
    pub(crate) second: String,
}

#[remote(server = "room")]
trait RoomApi {
    /// Returns what it got.
    async fn enter(&self, name: Name) -> Result<Name>;
    /// Fails.
    async fn fail(&self, name: Name) -> Result<()>;
    /// Returns the `traceparent` that it got.
    async fn traced(&self, cx: Context) -> Result<Name>;
}

#[derive(Component)]
pub(crate) struct Gate {
    room: RoomApiClient,
}

#[handler(server = "gate")]
impl Gate {
    pub async fn login(&self, session: Session, name: Name) -> Result<()> {
        session.bind(&name.name).await
    }

    pub async fn enter(&self, name: Name) -> Result<Name> {
        self.room.enter(&name).await
    }

    pub async fn fail(&self, name: Name) -> Result<()> {
        self.room.fail(&name).await
    }

    /// Returns the `traceparent` of two calls, one after the other.
    pub async fn traced(&self) -> Result<Spans> {
        Ok(Spans { first: self.room.traced().await?.name, second: self.room.traced().await?.name })
    }

    pub async fn hang(&self) -> Result<()> {
        std::future::pending().await
    }
}

#[derive(Component)]
struct Room;

#[remote]
impl RoomApi for Room {
    async fn enter(&self, name: Name) -> Result<Name> {
        tokio::task::yield_now().await;
        tracing::info!(target: ENTERED, "entered");
        Ok(name)
    }

    async fn fail(&self, _name: Name) -> Result<()> {
        Err(Error::new("ROOM-1", "full"))
    }

    async fn traced(&self, cx: Context) -> Result<Name> {
        let span: BTreeMap<String, String> = cx.get("otel-span")?.unwrap_or_default();
        Ok(Name { name: span.get("traceparent").cloned().unwrap_or_default() })
    }
}

#[derive(Component)]
pub(crate) struct Hall;

#[handler(server = "room")]
impl Hall {
    pub async fn greet(&self, name: Name) -> Result<Name> {
        Ok(name)
    }
}

/// The argument of all calls.
pub(crate) fn ann() -> Name {
    Name { name: "ann".into() }
}
