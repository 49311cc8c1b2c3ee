//! A cluster: a frontend with clients of each serializer, and backends.

use std::sync::atomic::Ordering::Relaxed;

use pitaya::Users;
use pitaya::client::Client;
use pitaya::metrics::InMemoryReporter;
use pitaya::prelude::*;
use pitaya::serialize::Serializer;
use pitaya::testing::TestServer;

use crate::messages::{Bomb, Move, NOTED, Note, OnMove, Point, step};

#[derive(Component)]
pub(crate) struct Hall;

#[handler(server = "hall")]
impl Hall {
    /// Binds the caller.
    pub async fn enter(&self, session: Session, msg: Move) -> Result<()> {
        session.bind(&msg.by).await
    }
}

#[derive(Component)]
pub(crate) struct Board(Users);

#[handler(server = "board")]
impl Board {
    /// Pushes to the session and to its user, and gives the move back.
    pub async fn play(&self, session: Session, msg: Move) -> Result<Move> {
        if msg.to.is_empty() {
            return Err(Error::new("BOARD-1", "no move").with_metadata("by", msg.by));
        }
        let push = OnMove { by: msg.by.clone(), to: msg.to.clone() };
        session.push(&push).await?;
        let uid = session.require_uid()?;
        self.0.on_frontends("hall").push(&[&*uid], &push).await?.complete()?;
        Ok(msg)
    }

    /// Gives a point back.
    pub async fn aim(&self, msg: Point) -> Result<Point> {
        Ok(msg)
    }

    /// Takes and returns bytes.
    pub async fn raw(&self, body: Bytes) -> Result<Bytes> {
        Ok(body)
    }

    /// Pushes bytes to the session and to its user.
    pub async fn shout(&self, session: Session, body: Bytes) -> Result<()> {
        session.push_route("onShout", &body).await?;
        let uid = session.require_uid()?;
        self.0.on_frontends("hall").push_route(&[&*uid], "onShout", &body).await?.complete()
    }

    /// Pushes on a route of no type, then on one whose type has no Protobuf form.
    pub async fn note(&self, session: Session, msg: Move) -> Result<()> {
        session.push_route("onUnknown", &Note { text: msg.by.clone() }).await?;
        session.push(&Note { text: msg.by }).await
    }

    /// Pushes and returns a float that is not finite.
    pub async fn lose(&self, session: Session) -> Result<Point> {
        let lost = Point { at: vec![f64::NAN] };
        session.push_route("onLost", &lost).await?;
        Ok(lost)
    }

    pub async fn hear(&self, session: Session, msg: Move) {
        let _ = session.push(&OnMove { by: msg.by, to: msg.to }).await;
    }
}

/// Two blocks of one route, so that frontends do not know its types.
pub(crate) mod stranger {
    use super::*;

    #[derive(Component)]
    pub(crate) struct One;

    #[handler(server = "stranger", service = "it")]
    impl One {
        pub async fn play(&self, session: Session, msg: Note) -> Result<Note> {
            session.push_route("onStrange", &msg).await?;
            Ok(msg)
        }
    }

    #[derive(Component)]
    pub(crate) struct Other;

    #[handler(server = "stranger", service = "it")]
    impl Other {
        pub async fn play(&self, msg: Move) -> Result<Move> {
            Ok(msg)
        }
    }
}

/// Has messages without a Protobuf form, so no server with Protobuf has it.
#[derive(Component)]
pub(crate) struct Vault;

#[handler(server = "vault")]
impl Vault {
    /// Takes a message with a Protobuf form, and returns one without.
    pub async fn noted(&self, msg: Move) -> Result<Note> {
        NOTED.fetch_add(1, Relaxed);
        Ok(Note { text: msg.by })
    }

    /// Returns a reply that panics where a frontend reads it.
    pub async fn mine(&self) -> Result<Bomb> {
        Ok(Bomb)
    }

    /// Never runs, because its message cannot be read.
    pub async fn explode(&self, _msg: Bomb) -> Result<()> {
        Ok(())
    }
}

#[derive(Component)]
pub(crate) struct Anywhere;

/// Of every server type.
#[handler]
impl Anywhere {
    pub async fn look(&self, msg: Move) -> Result<Move> {
        Ok(msg)
    }
}

pub(crate) async fn enter(hall: &TestServer, serializer: &Serializer) -> Client {
    let client = hall.client_with(&Client::builder().serializer(serializer.clone())).await.unwrap();
    client.request(&Hall::ENTER, &step(&format!("{serializer:?}"))).await.unwrap();
    client
}

/// The failures of messages, replies and pushes.
pub(crate) fn failures(metrics: &InMemoryReporter) -> [f64; 3] {
    let count = |kind| metrics.value("recode_failures", &[("kind", kind)]).unwrap_or_default();
    ["message", "reply", "push"].map(count)
}
