//! [`TestServer`]: a frontend whose handlers do what a test asks for.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use pitaya::AnyError;
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

/// Returns a [`Text`].
pub fn text(text: impl Into<String>) -> Text {
    Text { text: text.into() }
}

/// Returns a [`Text`] as JSON, as clients send it.
#[must_use]
pub fn text_json(text: &str) -> String {
    serde_json::json!({ "text": text }).to_string()
}

/// A push with a text.
#[message(push = "onText")]
pub struct OnText {
    /// The text.
    pub text: String,
}

/// Records what handlers and callbacks do, and holds handlers at gates.
#[derive(Debug, Default)]
pub struct Recorder {
    /// The recorded lines, in order.
    pub log: Mutex<Vec<String>>,
    /// The number of handlers that run now.
    pub running: AtomicUsize,
    /// Notified at each recorded line.
    pub written: Notify,
    gates: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Recorder {
    /// Records a line.
    pub fn write(&self, line: impl Into<String>) {
        self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(line.into());
        self.written.notify_waiters();
    }

    /// Returns the recorded lines.
    pub fn lines(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Returns the gate of this name, which handlers wait at.
    pub fn gate(&self, name: &str) -> Arc<Semaphore> {
        let mut gates = self.gates.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(gates.entry(name.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(0))))
    }

    /// Opens a gate permanently.
    pub fn open(&self, name: &str) {
        self.gate(name).add_permits(Semaphore::MAX_PERMITS / 2);
    }

    /// Waits until a line is recorded.
    pub async fn wrote(&self, line: &str) {
        crate::until(line, || self.lines().iter().any(|l| l == line)).await;
    }
}

/// The component with the handlers, at routes such as `test.arena.raw`.
#[derive(Debug, Component)]
pub struct Arena {
    recorder: State<Arc<Recorder>>,
    groups: Groups,
}

/// Counts a running handler until it returns, panics or is dropped.
struct InFlight(Arc<Recorder>);

impl InFlight {
    fn new(recorder: &Arc<Recorder>) -> Self {
        recorder.running.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(recorder))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

#[handler(server = "test", client)]
impl Arena {
    /// Returns the bytes.
    pub async fn raw(&self, body: Bytes) -> Result<Bytes> {
        Ok(body)
    }

    /// Returns the text.
    pub async fn typed(&self, msg: Text) -> Result<Text> {
        Ok(msg)
    }

    /// Takes and returns nothing.
    pub async fn empty(&self) -> Result<()> {
        Ok(())
    }

    /// Returns null.
    pub async fn null(&self) -> Result<Option<Text>> {
        Ok(None)
    }

    /// Fails with a code and metadata.
    pub async fn fail(&self) -> Result<Text> {
        Err(Error::new("T-1", "as asked").with_metadata("some", "meta"))
    }

    /// Fails with an error of another crate.
    pub async fn foreign(&self) -> Result<Text, AnyError> {
        let number: u8 = "not a number".parse()?;
        Ok(Text { text: number.to_string() })
    }

    /// Panics.
    pub async fn panic(&self) -> Result<Text> {
        panic!("on purpose")
    }

    /// Panics after it has yielded once.
    pub async fn late_panic(&self) -> Result<Text> {
        tokio::task::yield_now().await;
        panic!("on purpose, later")
    }

    /// Never returns; only a deadline ends it.
    pub async fn hang(&self) -> Result<Text> {
        let _in_flight = InFlight::new(&self.recorder);
        std::future::pending().await
    }

    /// Records the text, and sends no answer.
    pub async fn note(&self, msg: Text) {
        self.recorder.write(msg.text);
    }

    /// Records the text, waits at the gate of that name, and records the text again.
    pub async fn gated(&self, msg: Text) -> Result<Text> {
        let _in_flight = InFlight::new(&self.recorder);
        self.recorder.write(format!("begin {}", msg.text));
        let gate = self.recorder.gate(&msg.text);
        let _permit = gate.acquire().await.internal()?;
        self.recorder.write(format!("end {}", msg.text));
        Ok(msg)
    }

    /// Does the same as `gated`, concurrently.
    #[concurrent]
    pub async fn beside(&self, msg: Text) -> Result<Text> {
        self.gated(msg).await
    }

    /// Binds the session to the uid in the text.
    pub async fn bind(&self, session: Session, msg: Text) -> Result<Text> {
        session.bind(&msg.text).await?;
        Ok(Text { text: session.require_uid()?.to_string() })
    }

    /// Returns the uid of the session.
    pub async fn whoami(&self, session: Session) -> Result<Text> {
        Ok(Text { text: session.require_uid()?.to_string() })
    }

    /// Returns the id of the session.
    pub async fn id(&self, session: Session) -> Result<Number> {
        Ok(Number { n: session.id() })
    }

    /// Pushes `n` times to the session.
    pub async fn push(&self, session: Session, msg: Number) -> Result<()> {
        for n in 0..msg.n {
            session.push(&OnText { text: n.to_string() }).await?;
        }
        Ok(())
    }

    /// Pushes to the session until it is closed.
    pub async fn flood(&self, session: Session) -> Result<()> {
        let _in_flight = InFlight::new(&self.recorder);
        let bytes = Bytes::from(vec![b'x'; 16 * 1024]);
        loop {
            session.push_route("onFlood", &bytes).await?;
        }
    }

    /// Kicks the session.
    pub async fn kick(&self, session: Session) -> Result<()> {
        session.kick().await
    }

    /// Closes the session.
    pub async fn close(&self, session: Session) -> Result<()> {
        session.close();
        Ok(())
    }

    /// Kicks the session of the uid in the text.
    pub async fn kick_other(&self, app: App, msg: Text) -> Result<()> {
        let other = app.sessions().by_uid(&msg.text).ok_or_else(|| Error::new("T-2", "nobody"))?;
        other.kick().await
    }

    /// Counts its calls in the data of the session.
    pub async fn count(&self, session: Session) -> Result<Number> {
        let n = session.get::<u64>("n")?.unwrap_or_default() + 1;
        session.set("n", n)?;
        Ok(Number { n })
    }

    /// Returns the data of the session as JSON.
    pub async fn data(&self, session: Session) -> Result<Text> {
        Ok(Text { text: serde_json::Value::Object(session.data_map()).to_string() })
    }

    /// Adds the session's user to the group.
    pub async fn enter(&self, session: Session) -> Result<()> {
        let group = self.groups.group("arena");
        group.ensure().await?;
        group.add(&session.require_uid()?).await
    }

    /// Pushes the text to the group, and sends no answer.
    pub async fn say(&self, msg: Text) {
        if let Err(error) = self.groups.group("arena").push(&OnText { text: msg.text }).await {
            self.recorder.write(format!("say failed: {error}"));
        }
    }

    /// Receives from a channel that is never empty, until the session is closed.
    pub async fn busy(&self, session: Session) -> Result<()> {
        let _in_flight = InFlight::new(&self.recorder);
        let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
        while !session.is_closed() {
            let _ = send.send(());
            receive.recv().await;
        }
        Ok(())
    }
}

/// The remote of the component. No client may call it.
#[remote(server = "test")]
impl Arena {
    /// Returns the text backwards.
    pub async fn reverse(&self, msg: Text) -> Result<Text> {
        Ok(Text { text: msg.text.chars().rev().collect() })
    }
}

/// An app that runs, with its recorder.
#[derive(Debug)]
pub struct TestServer {
    /// The app.
    pub app: Running,
    /// The recorder of its handlers.
    pub recorder: Arc<Recorder>,
    /// The address where it listens for TCP.
    pub tcp: SocketAddr,
}

/// Returns a builder with [`Arena`], a TCP acceptor and this configuration.
pub fn builder(config: Config, recorder: &Arc<Recorder>) -> Builder {
    App::builder()
        .config(config)
        .server_type("test")
        .state(Arc::clone(recorder))
        .acceptor(Tcp::new("127.0.0.1:0"))
}

/// Starts a server with this configuration.
///
/// # Panics
/// If it does not start.
pub async fn start(config: Config) -> TestServer {
    start_with(config, |builder| builder).await
}

/// Starts a server whose builder `change` has changed.
///
/// # Panics
/// If it does not start.
pub async fn start_with(config: Config, change: impl FnOnce(Builder) -> Builder) -> TestServer {
    let recorder = Arc::new(Recorder::default());
    let app = change(builder(config, &recorder)).start().await.expect("the server starts");
    let tcp = app.socket_addrs()[0];
    TestServer { app, recorder, tcp }
}

/// Returns the default configuration without compression, so that bodies are as they were written.
pub fn config() -> Config {
    let mut config = Config::default();
    config.message_compression = false;
    config
}
