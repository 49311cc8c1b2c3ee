//! A cluster within the test: servers of two types, `gate` in front and `hall` behind.

use std::sync::Arc;
use std::time::Duration;

use pitaya::acceptor::Tcp;
use pitaya::app::{Builder, Running};
use pitaya::config::Config;
use pitaya::group::Delivery;
use pitaya::prelude::*;
use pitaya::{Context, Users, session};
use pitaya_tests::cluster::MemoryCluster;
use pitaya_tests::server::{Recorder, Text, config, text};

/// The data of a player's session.
#[session]
#[derive(Default)]
pub(crate) struct Player {
    pub(crate) name: String,
    pub(crate) gold: i64,
}

/// The remotes of a hall.
#[remote(server = "hall")]
pub(crate) trait HallApi {
    /// The text back, with the id of the server.
    async fn echo(&self, req: Text) -> Result<Text>;
    /// Returns the values of the context.
    async fn context(&self, cx: Context) -> Result<Text>;
    /// Fails with a code and metadata.
    async fn fail(&self) -> Result<()>;
    /// Panics.
    async fn panic(&self) -> Result<()>;
    /// Takes until its gate opens.
    async fn wait(&self, req: Text) -> Result<Text>;
    /// Calls `wait` of another hall, which it names.
    async fn relay(&self, req: Text) -> Result<Text>;
}

#[derive(Component)]
pub(crate) struct Hall {
    halls: HallApiClient,
    app: App,
    users: Users,
    groups: Groups,
    recorder: State<Arc<Recorder>>,
}

#[remote]
impl HallApi for Hall {
    async fn echo(&self, req: Text) -> Result<Text> {
        Ok(text(format!("{} {}", self.app.server_id(), req.text)))
    }

    async fn context(&self, cx: Context) -> Result<Text> {
        let tenant: Option<u32> = cx.get("tenant")?;
        let left = cx.remaining().is_some_and(|left| left <= Duration::from_secs(5));
        Ok(text(format!(
            "{:?} {:?} {tenant:?} {left} {}",
            cx.peer_id(),
            cx.peer_service(),
            cx.request_id().is_some()
        )))
    }

    async fn fail(&self) -> Result<()> {
        Err(Error::new("H-1", "as asked").with_metadata("some", "meta"))
    }

    async fn panic(&self) -> Result<()> {
        panic!("on purpose")
    }

    async fn wait(&self, req: Text) -> Result<Text> {
        self.recorder.write(format!("waits {}", req.text));
        let _open = self.recorder.gate(&req.text).acquire_owned().await;
        self.recorder.write(format!("waited {}", req.text));
        Ok(req)
    }

    async fn relay(&self, req: Text) -> Result<Text> {
        let result = self.halls.to_server(&req.text).wait(&req).await;
        let code = result.as_ref().err().map_or("ok", |error| error.code());
        self.recorder.write(format!("relayed {code}"));
        self.recorder.write("relay ended");
        result
    }
}

/// The handlers of a hall.
#[handler(server = "hall")]
impl Hall {
    /// The text back, with the id of the server.
    pub async fn say(&self, msg: Text) -> Result<Text> {
        Ok(text(format!("{} {}", self.app.server_id(), msg.text)))
    }

    /// The bytes back.
    pub async fn raw(&self, body: Bytes) -> Result<Bytes> {
        Ok(body)
    }

    /// Takes note.
    pub async fn note(&self, msg: Text) {
        self.recorder.write(format!("noted {}", msg.text));
    }

    /// Takes note when its gate opens.
    pub async fn slow(&self, msg: Text) -> Result<Text> {
        self.recorder.write(format!("begin {}", msg.text));
        let _open = self.recorder.gate(&msg.text).acquire_owned().await;
        self.recorder.write(format!("end {}", msg.text));
        Ok(msg)
    }

    /// Fails with a code and metadata.
    pub async fn fail(&self) -> Result<Text> {
        Err(Error::new("H-1", "as asked").with_metadata("some", "meta"))
    }

    /// A null reply.
    pub async fn null(&self) -> Result<Option<Text>> {
        Ok(None)
    }

    /// Panics.
    pub async fn panic(&self) -> Result<Text> {
        panic!("on purpose")
    }

    /// Binds the player.
    pub async fn bind(&self, session: Session<Player>, msg: Text) -> Result<Text> {
        session.bind(&msg.text).await?;
        session.update(|player| player.name = format!("Lady {}", msg.text)).await?;
        Ok(text(&*session.require_uid()?))
    }

    /// Pushes to the player, twice, then answers.
    pub async fn push(&self, session: Session, msg: Text) -> Result<()> {
        session.push_route("onFirst", &msg).await?;
        session.push_route("onSecond", &msg).await
    }

    /// Kicks the player.
    pub async fn kick(&self, session: Session) -> Result<()> {
        session.kick().await
    }

    /// Describes the session as a backend sees it.
    pub async fn who(&self, session: Session<Player>) -> Result<Text> {
        let player = session.data()?;
        Ok(text(format!(
            "{} {:?} front:{} {} {} {}",
            session.id(),
            session.uid(),
            session.is_frontend(),
            session.frontend_id().unwrap_or("none"),
            player.name,
            player.gold
        )))
    }

    /// Gives the player gold.
    pub async fn pay(&self, session: Session<Player>, msg: Text) -> Result<Text> {
        let gold: i64 = msg.text.parse().map_err(|_| Error::new("H-2", "no number"))?;
        let total = session
            .update(|player| {
                player.gold += gold;
                player.gold
            })
            .await?;
        Ok(text(total.to_string()))
    }

    /// Tries calls that a backend may not make.
    pub async fn forbidden(&self, session: Session) -> Result<Text> {
        let error = session.on_close(|_| async {}).unwrap_err();
        session.close();
        Ok(text(format!("{error}, closed: {}", session.is_closed())))
    }

    /// Joins a group that the user is in already, which a backend may not do, then says who is in it.
    pub async fn join(&self, session: Session) -> Result<Text> {
        let group = self.groups.group("joined");
        group.ensure().await?;
        group.add(&session.require_uid()?).await?;
        let error = group.join(&session).await.unwrap_err();
        Ok(text(format!("{error}, members: {:?}", group.members().await?)))
    }

    /// Tells users of the gates.
    pub async fn tell(&self, msg: Text) -> Result<Text> {
        let uids: Vec<&str> = msg.text.split(' ').collect();
        Ok(text(report(&self.users.on_frontends("gate").push_route(&uids, "onTold", &msg).await?)))
    }

    /// Kicks users of the gates.
    pub async fn ban(&self, msg: Text) -> Result<Text> {
        let uids: Vec<&str> = msg.text.split(' ').collect();
        Ok(text(report(&self.users.on_frontends("gate").kick(&uids).await?)))
    }

    /// Tells users without saying where.
    pub async fn shout(&self, msg: Text) -> Result<()> {
        self.users.push_route(&["ann"], "onTold", &msg).await.map(drop)
    }

    /// Pushes to the session and to a group in turn, so many times.
    pub async fn alternate(&self, session: Session, msg: Text) -> Result<()> {
        let times: u32 = msg.text.parse().map_err(|_| Error::new("H-2", "no number"))?;
        let group = self.groups.group("all").on_frontends("gate");
        group.ensure().await?;
        group.add(&session.require_uid()?).await?;
        for n in (0..times).step_by(2) {
            session.push_route("onN", &text(n.to_string())).await?;
            group.push_route("onN", &text((n + 1).to_string())).await?;
        }
        Ok(())
    }
}

/// How a push or a kick went.
fn report(delivery: &Delivery) -> String {
    format!("{} {:?}", delivery.sent, delivery.failed)
}

/// The handlers of a gate.
#[derive(Component)]
pub(crate) struct Gate {
    halls: HallApiClient,
    app: App,
    users: Users,
}

#[handler(server = "gate")]
impl Gate {
    /// The text back.
    pub async fn say(&self, msg: Text) -> Result<Text> {
        Ok(msg)
    }

    /// Binds the player here.
    pub async fn bind(&self, session: Session, msg: Text) -> Result<Text> {
        session.bind(&msg.text).await?;
        Ok(msg)
    }

    /// A typed call of a hall.
    pub async fn ask(&self, msg: Text) -> Result<Text> {
        self.halls.echo(&msg).await
    }

    /// A typed call of the hall of a key.
    pub async fn ask_by(&self, msg: Text) -> Result<Text> {
        self.halls.by_key(&msg.text).echo(&msg).await
    }

    /// A typed call of one hall.
    pub async fn ask_on(&self, msg: Text) -> Result<Text> {
        self.halls.to_server(&msg.text).echo(&msg).await
    }

    /// A typed call that fails.
    pub async fn ask_fail(&self) -> Result<()> {
        self.halls.fail().await
    }

    /// A typed call that panics.
    pub async fn ask_panic(&self) -> Result<()> {
        self.halls.panic().await
    }

    /// A typed call with a context, and a timeout.
    pub async fn ask_context(&self, mut cx: Context) -> Result<Text> {
        cx.insert("tenant", 7)?;
        self.halls.with_context(&cx).with_timeout(Duration::from_secs(4)).context().await
    }

    /// A call by the text of its route.
    pub async fn ask_raw(&self, msg: Text) -> Result<Bytes> {
        self.app.rpc_raw(&msg.text, Bytes::new()).await
    }

    /// A call that takes longer than it may.
    pub async fn ask_late(&self, msg: Text) -> Result<Text> {
        self.halls.with_timeout(Duration::from_millis(200)).wait(&msg).await
    }

    /// Tells users of the gates.
    pub async fn tell(&self, msg: Text) -> Result<Text> {
        let uids: Vec<&str> = msg.text.split(' ').collect();
        Ok(text(report(&self.users.push_route(&uids, "onTold", &msg).await?)))
    }

    /// The data of the session.
    pub async fn gold(&self, session: Session<Player>) -> Result<Text> {
        let player = session.data()?;
        Ok(text(format!("{} {}", player.name, player.gold)))
    }
}

/// A cluster with the recorder of its servers.
#[derive(Default)]
pub(crate) struct TestCluster {
    pub(crate) servers: MemoryCluster,
    pub(crate) recorder: Arc<Recorder>,
}

impl TestCluster {
    /// Returns the builder of a server.
    pub(crate) fn server(&self, server_type: &str, id: &str, config: Config) -> Builder {
        self.servers.server(server_type, id).config(config).state(Arc::clone(&self.recorder))
    }

    pub(crate) async fn gate(&self, id: &str) -> Running {
        self.server("gate", id, config()).acceptor(Tcp::new("127.0.0.1:0")).start().await.unwrap()
    }

    pub(crate) async fn hall(&self, id: &str) -> Running {
        self.server("hall", id, config()).backend().start().await.unwrap()
    }
}
