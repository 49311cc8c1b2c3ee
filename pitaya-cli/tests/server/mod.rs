//! A server for the tests of `repl` and `bots`.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pitaya::acceptor::{Tcp, Tls, WebSocket};
use pitaya::app::App;
use pitaya::documentation::DocsRoutes;
use pitaya::prelude::*;
use pitaya::serialize::Serializer;

/// Enters the room.
#[message(proto)]
pub struct Join {
    /// The name of the player.
    #[tag(1)]
    pub name: String,
    /// The points of the player.
    #[tag(2)]
    #[serde(default)]
    pub points: i64,
}

/// The room after a join.
#[message(proto)]
pub struct Joined {
    /// The number of the session.
    #[tag(1)]
    pub id: u64,
    /// The names.
    #[tag(2)]
    pub members: Vec<String>,
}

/// A text for the room.
#[message(proto)]
pub struct Say {
    /// The text.
    #[tag(1)]
    pub text: String,
}

/// Someone said something.
#[message(push = "onSaid", proto)]
pub struct Said {
    /// The text.
    #[tag(1)]
    pub text: String,
    /// The speaker.
    #[tag(2)]
    pub from: Option<Join>,
}

#[derive(Component)]
pub struct Room;

#[handler(server = "game")]
impl Room {
    /// Enters the room.
    pub async fn join(&self, session: Session, msg: Join) -> Result<Joined> {
        session.push(&Said { text: format!("hello {}", msg.name), from: Some(msg.clone()) }).await?;
        Ok(Joined { id: session.id(), members: vec![msg.name] })
    }

    /// Returns what it gets.
    pub async fn echo(&self, msg: Say) -> Result<Say> {
        Ok(msg)
    }

    /// Pushes the text to its sender.
    pub async fn say(&self, session: Session, msg: Say) {
        let _ = session.push(&Said { text: msg.text, from: None }).await;
    }

    /// Fails.
    pub async fn fail(&self, msg: Say) -> Result<Say> {
        Err(Error::new("GAME-001", msg.text).with_metadata("room", "7"))
    }

    /// Answers later than any client of these tests waits.
    pub async fn hang(&self, msg: Say) -> Result<Say> {
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok(msg)
    }

    /// Returns the bytes.
    pub async fn raw(&self, body: Bytes) -> Result<Bytes> {
        Ok(body)
    }

    /// Ends the session of the caller.
    pub async fn kick(&self, session: Session, msg: Say) -> Result<Say> {
        session.kick().await?;
        Ok(msg)
    }
}

/// The acceptor of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    Tcp,
    WebSocket,
    Tls,
}

/// A running server. It stops when it is dropped.
pub struct Server {
    pub addr: SocketAddr,
    pub ca: Option<String>,
    app: App,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(serializer: Serializer, over: Over) -> Self {
        let (sender, started) = mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let key = (over == Over::Tls)
            .then(|| rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap());
        let ca = key.as_ref().map(|key| key.cert.pem());
        let thread = std::thread::spawn(move || {
            tokio::runtime::Runtime::new().unwrap().block_on(async move {
                let app = App::builder().server_type("game").serializer(serializer).register(DocsRoutes);
                let app = match (over, key) {
                    (Over::WebSocket, _) => app.acceptor(WebSocket::new("127.0.0.1:0")),
                    (Over::Tls, Some(key)) => {
                        let tls = Tls::from_pem(
                            key.cert.pem().as_bytes(),
                            key.signing_key.serialize_pem().as_bytes(),
                        );
                        app.acceptor(Tcp::new("127.0.0.1:0").tls(tls.unwrap()))
                    }
                    _ => app.acceptor(Tcp::new("127.0.0.1:0")),
                };
                let running = app.start().await.unwrap();
                sender.send((running.socket_addrs()[0], running.app().clone())).unwrap();
                let _ = stopped.await;
                running.stop().await;
            });
        });
        let (addr, app) = started.recv().unwrap();
        Self { addr, ca, app, stop: Some(stop), thread: Some(thread) }
    }

    pub fn json() -> Self {
        Self::start(Serializer::Json, Over::Tcp)
    }

    /// Waits until so many clients are connected.
    pub fn wait_for_clients(&self, count: usize) {
        let began = Instant::now();
        while self.app.sessions().count() < count {
            assert!(began.elapsed() < Duration::from_secs(30), "{count} clients connect");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn address(&self) -> String {
        self.addr.to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// Runs the program with a standard input.
pub fn pitaya(args: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pitaya"));
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // The program may end before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

pub fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}
