//! The server that most tests talk to: handlers that do what a test asks for.

#![allow(clippy::missing_errors_doc, clippy::missing_panics_doc)] // their errors and panics are what they are for

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use pitaya::acceptor::Tcp;
use pitaya::app::{Builder, Running};
use pitaya::config::Config;
use pitaya::group::Groups;
use pitaya::prelude::*;
use tokio::sync::{Notify, Semaphore};

/// A text.
#[message]
#[derive(PartialEq)]
pub struct Text {
    /// The text.
    pub text: String,
}

/// A number.
#[message]
pub struct Number {
    /// The number.
    pub n: u64,
}

/// A push with a text.
#[message(push = "onText")]
pub struct OnText {
    /// The text.
    pub text: String,
}

/// What tests see of the server from the inside.
#[derive(Debug, Default)]
pub struct Witness {
    /// What handlers and callbacks wrote down, in order.
    pub log: Mutex<Vec<String>>,
    /// Handlers that run now.
    pub running: AtomicUsize,
    /// Told whenever something is written down.
    pub written: Notify,
    gates: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Witness {
    /// Writes down.
    pub fn write(&self, line: impl Into<String>) {
        self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(line.into());
        self.written.notify_waiters();
    }

    /// What was written down.
    pub fn lines(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// A gate that handlers wait at, by name.
    pub fn gate(&self, name: &str) -> Arc<Semaphore> {
        let mut gates = self.gates.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(gates.entry(name.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(0))))
    }

    /// Opens a gate for good.
    pub fn open(&self, name: &str) {
        self.gate(name).add_permits(Semaphore::MAX_PERMITS / 2);
    }

    /// Waits until a line is written down.
    pub async fn wrote(&self, line: &str) {
        crate::until(line, || self.lines().iter().any(|l| l == line)).await;
    }
}

/// The component of the tests.
#[derive(Debug, Component)]
pub struct Arena {
    witness: State<Arc<Witness>>,
    groups: Groups,
}

/// Counts a running handler, however it ends.
struct InFlight(Arc<Witness>);

impl InFlight {
    fn new(witness: &Arc<Witness>) -> Self {
        witness.running.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(witness))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

#[handler(server = "test")]
impl Arena {
    /// The bytes back.
    pub async fn raw(&self, body: Bytes) -> Result<Bytes> {
        Ok(body)
    }

    /// The text back.
    pub async fn typed(&self, msg: Text) -> Result<Text> {
        Ok(msg)
    }

    /// Nothing in, nothing out.
    pub async fn empty(&self) -> Result<()> {
        Ok(())
    }

    /// A null reply.
    pub async fn null(&self) -> Result<Option<Text>> {
        Ok(None)
    }

    /// An error with a code and metadata.
    pub async fn fail(&self) -> Result<Text> {
        Err(Error::new("T-1", "as asked").with_metadata("some", "meta"))
    }

    /// An error of somebody else.
    pub async fn foreign(&self) -> Result<Text, AnyError> {
        let number: u8 = "not a number".parse()?;
        Ok(Text { text: number.to_string() })
    }

    /// A panic.
    pub async fn panic(&self) -> Result<Text> {
        panic!("on purpose")
    }

    /// A panic after a rest.
    pub async fn late_panic(&self) -> Result<Text> {
        tokio::task::yield_now().await;
        panic!("on purpose, later")
    }

    /// Never answers, unless it is cut off.
    pub async fn hang(&self) -> Result<Text> {
        let _in_flight = InFlight::new(&self.witness);
        std::future::pending().await
    }

    /// Writes the text down; nothing is answered.
    pub async fn note(&self, msg: Text) {
        self.witness.write(msg.text);
    }

    /// Writes the text down, waits at the gate of that name, writes it down again.
    pub async fn gated(&self, msg: Text) -> Result<Text> {
        let _in_flight = InFlight::new(&self.witness);
        self.witness.write(format!("begin {}", msg.text));
        let gate = self.witness.gate(&msg.text);
        let _permit = gate.acquire().await.internal()?;
        self.witness.write(format!("end {}", msg.text));
        Ok(msg)
    }

    /// As `gated`, beside the others.
    #[concurrent]
    pub async fn beside(&self, msg: Text) -> Result<Text> {
        self.gated(msg).await
    }

    /// Binds the caller.
    pub async fn bind(&self, session: Session, msg: Text) -> Result<Text> {
        session.bind(&msg.text).await?;
        Ok(Text { text: session.uid()? })
    }

    /// The caller's uid.
    pub async fn whoami(&self, session: Session) -> Result<Text> {
        Ok(Text { text: session.uid()? })
    }

    /// The caller's session id.
    pub async fn id(&self, session: Session) -> Result<Number> {
        Ok(Number { n: session.id() })
    }

    /// Pushes to the caller, `n` times.
    pub async fn push(&self, session: Session, msg: Number) -> Result<()> {
        for n in 0..msg.n {
            session.push(&OnText { text: n.to_string() }).await?;
        }
        Ok(())
    }

    /// Pushes to the caller without end, until it is gone.
    pub async fn flood(&self, session: Session) -> Result<()> {
        let _in_flight = InFlight::new(&self.witness);
        let bytes = Bytes::from(vec![b'x'; 16 * 1024]);
        loop {
            session.push_to("onFlood", &bytes).await?;
        }
    }

    /// Kicks the caller.
    pub async fn kick(&self, session: Session) -> Result<()> {
        session.kick().await
    }

    /// Closes the caller.
    pub async fn close(&self, session: Session) -> Result<()> {
        session.close();
        Ok(())
    }

    /// Kicks another.
    pub async fn kick_other(&self, app: App, msg: Text) -> Result<()> {
        let other = app.sessions().by_uid(&msg.text).ok_or_else(|| Error::new("T-2", "nobody"))?;
        other.kick().await
    }

    /// Counts in the session's data.
    pub async fn count(&self, session: Session) -> Result<Number> {
        let n = session.get::<u64>("n")?.unwrap_or_default() + 1;
        session.set("n", n)?;
        Ok(Number { n })
    }

    /// All of the session's data, as JSON.
    pub async fn data(&self, session: Session) -> Result<Text> {
        Ok(Text { text: serde_json::Value::Object(session.data_map()).to_string() })
    }

    /// Enters the group.
    pub async fn enter(&self, session: Session) -> Result<()> {
        let group = self.groups.group("arena");
        group.ensure().await?;
        group.add(&session.uid()?).await
    }

    /// Says something to the group; nothing is answered.
    pub async fn say(&self, msg: Text) {
        if let Err(error) = self.groups.group("arena").push(&OnText { text: msg.text }).await {
            self.witness.write(format!("say failed: {error}"));
        }
    }

    /// Takes from a channel that never empties.
    pub async fn busy(&self, session: Session) -> Result<()> {
        let _in_flight = InFlight::new(&self.witness);
        let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
        while !session.is_closed() {
            let _ = send.send(());
            receive.recv().await;
        }
        Ok(())
    }
}

/// A remote, which no client may call.
#[remote(server = "test")]
impl Arena {
    /// The text, upside down.
    pub async fn reverse(&self, msg: Text) -> Result<Text> {
        Ok(Text { text: msg.text.chars().rev().collect() })
    }
}

/// An arena that runs.
#[derive(Debug)]
pub struct Ring {
    /// The app.
    pub app: Running,
    /// Its view from the inside.
    pub witness: Arc<Witness>,
    /// Where it listens.
    pub tcp: SocketAddr,
}

/// A builder with the arena in it, a TCP acceptor, and the configuration given.
pub fn builder(config: Config, witness: &Arc<Witness>) -> Builder {
    App::builder()
        .config(config)
        .server_type("test")
        .state(Arc::clone(witness))
        .acceptor(Tcp::bind("127.0.0.1:0"))
}

/// Starts an arena.
///
/// # Panics
/// If it does not start.
pub async fn start(config: Config) -> Ring {
    start_with(config, |builder| builder).await
}

/// Starts an arena that was changed a little.
///
/// # Panics
/// If it does not start.
pub async fn start_with(config: Config, change: impl FnOnce(Builder) -> Builder) -> Ring {
    let witness = Arc::new(Witness::default());
    let app = change(builder(config, &witness)).start().await.expect("the arena starts");
    let tcp = app.socket_addrs()[0];
    Ring { app, witness, tcp }
}

/// The default configuration, without compression: bodies are what they look like.
pub fn config() -> Config {
    let mut config = Config::default();
    config.message_compression = false;
    config
}
