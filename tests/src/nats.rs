//! A real broker for a test: started on a free port, gone with the test, however it ends.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::StreamExt as _;
use pitaya::cluster::{NatsOptions, NatsTransport};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use crate::{PATIENCE, soon, until};

/// The arguments that make a broker one of a cluster, which others may join.
pub const CLUSTER: [&str; 4] = ["--cluster_name", "test", "--cluster", "nats://127.0.0.1:-1"];

/// A `nats-server`. It is killed when this is dropped, by a panic too.
#[derive(Debug)]
pub struct Nats {
    child: Child,
    args: Vec<String>,
    ports: Ports,
    dir: tempfile::TempDir,
}

#[derive(Debug, Clone, Deserialize)]
struct Ports {
    nats: Vec<String>,
    #[serde(default)]
    cluster: Vec<String>,
}

#[derive(Deserialize)]
struct Info {
    #[serde(default)]
    connect_urls: Vec<String>,
}

/// Returns when the broker has seen all that this client sent before, subscriptions too. (Its own `flush` only writes.)
///
/// # Panics
/// If it does not see it.
pub async fn round_trip(client: &async_nats::Client) {
    let inbox = client.new_inbox();
    let mut back = client.subscribe(inbox.clone()).await.expect("the client is connected");
    client.publish(inbox, Vec::new().into()).await.expect("the client is connected");
    soon("what a client sent to itself", back.next()).await.expect("the client is connected");
}

impl Nats {
    /// Starts a broker without a password; see [`start_with`](Self::start_with).
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start() -> Self {
        Self::start_with("", &[]).await
    }

    /// Starts a broker with this configuration file and these arguments, on a free port.
    ///
    /// # Panics
    /// If it does not start, or is not installed.
    pub async fn start_with(config: &str, args: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("nats.conf");
        std::fs::write(&file, config).expect("the configuration is written");
        let mut all = vec!["-c".to_owned(), file.display().to_string()];
        all.extend(args.iter().map(|arg| (*arg).to_owned()));
        let mut child = spawn(&all, "-1", dir.path());
        let ports = ports(&mut child, dir.path()).await;
        Self { child, args: all, ports, dir }
    }

    /// Two brokers that know each other.
    ///
    /// # Panics
    /// If they do not start, or do not find each other.
    pub async fn start_two(config: &str) -> [Self; 2] {
        let one = Self::start_with(config, &CLUSTER).await;
        let two = one.start_beside(config, &[]).await;
        [one, two]
    }

    /// Another broker that joins the cluster of this one, which was started with [`CLUSTER`]. Returns when both tell
    /// their clients of each other.
    ///
    /// # Panics
    /// If it does not start, or they do not find each other.
    pub async fn start_beside(&self, config: &str, args: &[&str]) -> Self {
        let routes = self.ports.cluster.first().expect("the port of its cluster").clone();
        let other = Self::start_with(config, &[&CLUSTER[..], &["--routes", &routes], args].concat()).await;
        until("the brokers know each other", || {
            let (own, others) = (format!(":{}", self.port()), format!(":{}", other.port()));
            self.names(&others) && other.names(&own)
        })
        .await;
        other
    }

    /// Three brokers of one cluster. Returns when each tells its clients of the others.
    ///
    /// # Panics
    /// If they do not start, or do not find each other.
    pub async fn start_three(config: &str) -> Vec<Self> {
        let one = Self::start_with(config, &CLUSTER).await;
        let two = one.start_beside(config, &[]).await;
        let three = one.start_beside(config, &[]).await;
        let all = vec![one, two, three];
        Self::all_know_each_other(&all).await;
        all
    }

    /// Waits until each of these brokers tells its clients of the others.
    ///
    /// # Panics
    /// If they do not find each other.
    pub async fn all_know_each_other(all: &[Self]) {
        until("the brokers know each other", || {
            let others = |one: &Self| all.iter().map(Self::port).filter(|port| *port != one.port()).collect();
            all.iter().all(|one| {
                let others: Vec<u16> = others(one);
                others.iter().all(|port| one.names(&format!(":{port}")))
            })
        })
        .await;
    }

    /// Its address, such as `nats://127.0.0.1:4222`.
    ///
    /// # Panics
    /// If it has none.
    pub fn url(&self) -> String {
        self.ports.nats.first().expect("an address").replace("0.0.0.0", "127.0.0.1")
    }

    /// Its address with something before the host, such as `user:password@`.
    pub fn url_with(&self, credentials: &str) -> String {
        self.url().replace("nats://", &format!("nats://{credentials}"))
    }

    /// Its port.
    ///
    /// # Panics
    /// If it has none.
    pub fn port(&self) -> u16 {
        let url = self.url();
        url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
    }

    /// A place for files that go with it.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Stops it as it is, connections and all: it is silent from now on.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Tells it to make its clients go elsewhere.
    pub fn lame_duck(&self) {
        self.signal(Signal::USR2);
    }

    /// Replaces its configuration file, and makes it read the new one.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn reload(&self, config: &str) {
        std::fs::write(self.dir.path().join("nats.conf"), config).expect("the configuration is written");
        self.signal(Signal::HUP);
    }

    /// Kills it.
    pub fn kill(&mut self) {
        // an error is that it has ended
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on the same ports, after [`kill`](Self::kill).
    ///
    /// # Panics
    /// If it does not start.
    pub async fn restart(&mut self) {
        for file in files(self.dir.path()) {
            std::fs::remove_file(file).expect("the old file of ports goes");
        }
        if let (Some(own), Some(route)) =
            (self.args.iter().position(|arg| arg == "--cluster"), self.ports.cluster.first())
        {
            // The others of its cluster know it by its port.
            self.args[own + 1].clone_from(route);
        }
        self.child = spawn(&self.args, &self.port().to_string(), self.dir.path());
        self.ports = ports(&mut self.child, self.dir.path()).await;
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(pid, signal).expect("the broker gets a signal");
    }

    /// Whether it tells its clients of a broker whose address ends so.
    fn names(&self, end: &str) -> bool {
        let read = || {
            let stream = TcpStream::connect(("127.0.0.1", self.port())).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).ok()?;
            serde_json::from_str::<Info>(line.strip_prefix("INFO ")?).ok()
        };
        read().is_some_and(|info| info.connect_urls.iter().any(|url| url.ends_with(end)))
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        // A frozen broker can be killed too.
        self.kill();
    }
}

/// The program. Debian keeps it where only root looks.
fn program() -> Option<&'static str> {
    let works =
        |program: &str| Command::new(program).arg("--version").output().is_ok_and(|out| out.status.success());
    ["nats-server", "/usr/sbin/nats-server"].into_iter().find(|program| works(program))
}

fn spawn(args: &[String], port: &str, dir: &Path) -> Child {
    let program = program().expect("nats-server is installed; `cargo xtask test needs` does that");
    Command::new(program)
        .args(["-a", "127.0.0.1", "-p", port, "--ports_file_dir"])
        .arg(dir)
        .arg("-l")
        .arg(dir.join("nats.log"))
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nats-server starts")
}

/// The files in which the broker writes its ports.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("the directory is there");
    let files = entries.map(|entry| entry.expect("an entry").path());
    files.filter(|file| file.extension().is_some_and(|extension| extension == "ports")).collect()
}

async fn ports(child: &mut Child, dir: &Path) -> Ports {
    let mut found = None;
    until("the broker listens", || {
        if let Ok(Some(status)) = child.try_wait() {
            let log = std::fs::read_to_string(dir.join("nats.log")).unwrap_or_default();
            panic!("nats-server ended with {status}: {log}");
        }
        // written half, it is no JSON yet
        found = files(dir).first().and_then(|file| serde_json::from_slice(&std::fs::read(file).ok()?).ok());
        found.is_some()
    })
    .await;
    found.unwrap_or_else(|| panic!("no ports within {PATIENCE:?}"))
}

/// A transport to this broker that loses no time.
///
/// # Panics
/// Never: its options can be.
pub fn transport(nats: &Nats) -> NatsTransport {
    transport_with(nats, |_| {})
}

/// The same with other options.
///
/// # Panics
/// If they cannot be.
pub fn transport_with(nats: &Nats, change: impl FnOnce(&mut NatsOptions)) -> NatsTransport {
    let mut options = NatsOptions {
        addresses: nats.url(),
        reconnect_wait: Duration::from_millis(20),
        reconnect_jitter: Duration::ZERO,
        ..NatsOptions::default()
    };
    change(&mut options);
    NatsTransport::new(options).expect("the options can be")
}
