//! A server whose clients sit at one table.

use std::sync::atomic::Ordering::Relaxed;

use pitaya::acceptor::Acceptor;
use pitaya::client::{Client, Pushes};
use pitaya::prelude::*;
use pitaya::serialize::Serializer;

use crate::messages::{Move, NOTED, Note, OnMove, Point, SERIALIZERS, step};

#[derive(Component)]
pub(crate) struct Table(Groups);

#[handler(server = "table")]
impl Table {
    /// Binds the caller and lets it sit down.
    pub async fn sit(&self, session: Session, msg: Move) -> Result<()> {
        session.bind(&msg.by).await?;
        let all = self.0.group("all");
        all.ensure().await?;
        all.join(&session).await
    }

    /// Tells everyone about a move, and gives it back.
    pub async fn play(&self, msg: Move) -> Result<Move> {
        if msg.to.is_empty() {
            return Err(Error::new("TABLE-1", "no move").with_metadata("by", msg.by));
        }
        let push = OnMove { by: msg.by.clone(), to: msg.to.clone() };
        self.0.group("all").push(&push).await?.complete()?;
        Ok(msg)
    }

    /// Tells everyone about a note. Returns how many took it.
    pub async fn note(&self, msg: Move) -> Result<Move> {
        let sent = self.0.group("all").push(&Note { text: msg.by.clone() }).await?.sent;
        Ok(Move { to: vec![i32::try_from(sent).unwrap_or(i32::MAX)], ..msg })
    }

    /// Gives a point back.
    pub async fn aim(&self, msg: Point) -> Result<Point> {
        Ok(msg)
    }

    /// Takes and returns bytes, and pushes them.
    pub async fn raw(&self, session: Session, body: Bytes) -> Result<Bytes> {
        session.push_route("onRaw", &body).await?;
        Ok(body)
    }
}

#[derive(Component)]
pub(crate) struct Reader;

#[handler(server = "reader")]
impl Reader {
    /// Takes a message with a Protobuf form, and returns one without.
    pub async fn noted(&self, msg: Move) -> Result<Note> {
        NOTED.fetch_add(1, Relaxed);
        Ok(Note { text: msg.by })
    }

    /// Takes a message without a Protobuf form.
    pub async fn read(&self, msg: Note) -> Result<Note> {
        Ok(msg)
    }
}

pub(crate) fn table(serializer: impl Into<Serializer>, acceptor: impl Acceptor) -> pitaya::app::Builder {
    App::builder()
        .server_type("table")
        .serializer(serializer)
        .client_serializers(SERIALIZERS)
        .acceptor(acceptor)
}

/// Seats a client under the name of its serializer. Returns it with its pushes.
pub(crate) async fn seated(client: Client) -> (Client, Pushes<Bytes>) {
    let pushes = client.pushes_raw("onMove");
    let name = client.serializer_name().to_owned();
    client.request(&Table::SIT, &step(&name)).await.unwrap();
    (client, pushes)
}
