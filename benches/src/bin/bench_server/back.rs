//! The handlers and remotes of a server of type `back`.

use pitaya::Lifecycle;
use pitaya::group::Group;
use pitaya::prelude::*;

use super::{Said, Text};

/// The remotes of a back.
#[remote(server = "back", service = "echo")]
pub(crate) trait BackApi {
    /// The text back.
    async fn typed(&self, text: Text) -> Result<Text>;
}

/// Returns the bytes it receives.
#[derive(Component)]
struct BackEcho;

#[remote]
impl BackApi for BackEcho {
    async fn typed(&self, text: Text) -> Result<Text> {
        Ok(text)
    }
}

#[handler(server = "back", service = "echo")]
impl BackEcho {
    /// The bytes back.
    pub async fn raw(&self, body: Bytes) -> Result<Bytes> {
        Ok(body)
    }

    /// The text back, through the serializer both ways.
    pub async fn typed(&self, text: Text) -> Result<Text> {
        Ok(text)
    }
}

/// One group of clients of all fronts, and all that is said goes to all of it.
#[derive(Component)]
struct BackFan {
    groups: Groups,
}

impl BackFan {
    fn group(&self) -> Group {
        self.groups.group("fan").on_frontends("bench")
    }
}

impl Lifecycle for BackFan {
    async fn init(&self) -> Result<()> {
        self.group().ensure().await
    }
}

#[handler(server = "back", service = "fan")]
impl BackFan {
    /// Enters the group under a name, for good: the members of the next run are the same.
    pub async fn join(&self, session: Session, name: Text) -> Result<()> {
        session.bind(&name.text).await?;
        let group = self.group();
        if group.contains(&name.text).await? { Ok(()) } else { group.add(&name.text).await }
    }

    /// Tells the whole group.
    pub async fn say(&self, text: Text) {
        if let Err(error) = self.group().push(&Said { text: text.text }).await {
            tracing::warn!(%error, "telling the group");
        }
    }
}
