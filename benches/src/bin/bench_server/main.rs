//! The server that load generators drive, ours and others'.
//!
//! ```text
//! bench-server [--role solo|front|back [--nats URL | --grpc PORT] [--etcd URL] [--prefix TEXT]]
//!              [--tcp ADDR] [--ws ADDR] [--tls ADDR --cert FILE --key FILE] [--proxy ADDR]
//!              [--compression on|off] [--serializer json|protobuf|msgpack] [--observed on|off]
//! ```
//! Each address is an acceptor of its own; `--proxy` is TCP with the PROXY protocol. When all of them listen, it
//! writes `ready` to stderr, and nothing after that. Everything else has its default, or what the environment says.
//!
//! `solo`, the default, stands alone. A `front` serves the same and is a server of a cluster; a `back` is one of
//! another type, without acceptors. With `--grpc` it listens at this port, and servers call each other over gRPC.
//! `--prefix` is what the keys of the cluster begin with in etcd. `--observed on` adds the exporter for Prometheus, and
//! traces of 1 % of the messages.

mod back;
#[cfg(feature = "observed")]
mod observed;

use pitaya::Lifecycle;
use pitaya::acceptor::{Tcp, Tls, WebSocket};
use pitaya::app::Builder;
use pitaya::config::{Config, RpcTransport, SerializerType};
use pitaya::group::Groups;
use pitaya::metrics::InMemoryReporter;
use pitaya::prelude::*;
use pitaya::serialize::Serializer;

use back::BackApiClient;

const USAGE: &str = "bench-server [--role solo|front|back [--nats URL | --grpc PORT] [--etcd URL] [--prefix TEXT]] \
                     [--tcp ADDR] [--ws ADDR] [--tls ADDR --cert FILE --key FILE] [--proxy ADDR] \
                     [--compression on|off] [--serializer json|protobuf|msgpack] [--observed on|off]";

/// The group of `bench.fan`.
const FAN: &str = "fan";

/// A text, as it comes and as it goes back.
#[message(proto)]
struct Text {
    /// The text.
    #[tag(1)]
    text: String,
}

/// A text of a member.
#[message(proto, push = "onSay")]
struct Said {
    /// The text.
    #[tag(1)]
    text: String,
}

/// Counts of live objects in this process.
#[message(proto)]
struct Stats {
    /// Sessions.
    #[tag(1)]
    sessions: u64,
    /// Tasks of tokio.
    #[tag(2)]
    tasks: u64,
}

/// Returns the bytes it receives.
#[derive(Component)]
struct Echo;

#[handler(server = "bench")]
impl Echo {
    /// The bytes back.
    pub async fn raw(&self, body: Bytes) -> Result<Bytes> {
        Ok(body)
    }

    /// The text back, through the serializer both ways.
    pub async fn typed(&self, text: Text) -> Result<Text> {
        Ok(text)
    }

    /// The text back, from a server of type `back`.
    pub async fn rpc(&self, app: App, text: Text) -> Result<Text> {
        // Not a field, because a server that stands alone has no server of that type.
        app.service::<BackApiClient>()?.typed(&text).await
    }
}

/// One group, and all that is said goes to all of it.
#[derive(Component)]
struct Fan {
    groups: Groups,
}

impl Lifecycle for Fan {
    async fn init(&self) -> Result<()> {
        self.groups.group(FAN).ensure().await
    }
}

#[handler(server = "bench")]
impl Fan {
    /// Enters the group until the session ends.
    pub async fn join(&self, session: Session) -> Result<()> {
        let uid = session.id().to_string();
        session.bind(&uid).await?;
        let fan = self.groups.group(FAN);
        fan.add(&uid).await?;
        let (left, leaver) = (fan.clone(), uid.clone());
        let leaving = session.on_close(move |_| async move {
            if let Err(error) = left.remove(&leaver).await {
                tracing::warn!(%error, "leaving the group");
            }
        });
        if leaving.is_err() {
            // It was closed while it joined, so that no callback will remove it.
            fan.remove(&uid).await?;
        }
        leaving
    }

    /// Tells the whole group.
    pub async fn say(&self, text: Text) {
        if let Err(error) = self.groups.group(FAN).push(&Said { text: text.text }).await {
            tracing::warn!(%error, "telling the group");
        }
    }
}

/// A failure of the program.
#[derive(Component)]
struct Bad;

#[handler(server = "bench")]
impl Bad {
    /// Kicks its caller.
    pub async fn kick(&self, session: Session) -> Result<()> {
        session.kick().await
    }

    /// Panics.
    pub async fn panic(&self) -> Result<()> {
        panic!("as asked for")
    }

    /// Never returns.
    pub async fn hang(&self) -> Result<()> {
        std::future::pending().await
    }
}

/// The server itself.
#[derive(Component)]
struct Bench;

#[handler(server = "bench")]
impl Bench {
    /// Returns the counts of live objects.
    pub async fn stats(&self, app: App) -> Result<Stats> {
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        Ok(Stats { sessions: app.sessions().count() as u64, tasks: tasks as u64 })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    // The framework reports a handler that panics. A line of its own on stderr would, in the end, fill the pipe of
    // a parent that has stopped reading.
    std::panic::set_hook(Box::new(|_| {}));
    let running = app(std::env::args().skip(1))?.start().await?;
    eprintln!("ready");
    running.wait().await;
    Ok(())
}

/// The app that the arguments ask for.
fn app(mut args: impl Iterator<Item = String>) -> Result<Builder> {
    let mut config = Config::from_env()?;
    let (mut app, mut tls, mut cert, mut key) = (App::builder(), None, None, None);
    let (mut role, mut observed) = (Role::Solo, false);
    while let Some(flag) = args.next() {
        let value = args.next().ok_or_else(|| usage(&flag))?;
        match (flag.as_str(), value.as_str()) {
            ("--role", "solo") => role = Role::Solo,
            ("--role", "front") => role = Role::Front,
            ("--role", "back") => role = Role::Back,
            ("--nats", _) => config.nats.connect = value,
            ("--grpc", _) => {
                config.rpc_transport = RpcTransport::Grpc;
                config.grpc.host = "127.0.0.1".to_owned();
                config.grpc.port = value.parse().map_err(|_| usage(&flag))?;
            }
            ("--etcd", _) => config.etcd.endpoints = vec![value],
            ("--prefix", _) => config.etcd.prefix = value,
            ("--tcp", _) => app = app.acceptor(Tcp::new(value)),
            ("--ws", _) => app = app.acceptor(WebSocket::new(value)),
            ("--proxy", _) => {
                app = app.acceptor(Tcp::new(value).proxy_protocol(true).trusted_proxies(["127.0.0.1"]))
            }
            ("--tls", _) => tls = Some(value),
            ("--cert", _) => cert = Some(value),
            ("--key", _) => key = Some(value),
            ("--compression", "on" | "off") => config.message_compression = value == "on",
            ("--observed", "on" | "off") => observed = value == "on",
            ("--serializer", "json") => config.serializer_type = SerializerType::Json,
            ("--serializer", "protobuf") => config.serializer_type = SerializerType::Protobuf,
            ("--serializer", "msgpack") => config.serializer_type = SerializerType::MessagePack,
            _ => return Err(usage(&flag)),
        }
    }
    app = match (tls, cert, key) {
        (Some(address), Some(cert), Some(key)) => {
            app.acceptor(Tcp::new(address).tls(Tls::from_pem_files(cert, key).internal()?))
        }
        (None, None, None) => app,
        _ => return Err(usage("--tls")),
    };
    app = match role {
        Role::Solo => app.server_type("bench"),
        Role::Front => in_cluster(app.server_type("bench"))?,
        Role::Back => in_cluster(app.server_type("back").backend())?,
    };
    if observed {
        app = observe(app)?;
    }
    let serializers = [Serializer::Json, Serializer::Protobuf, Serializer::MessagePack];
    Ok(app.config(config).client_serializers(serializers).reporter(InMemoryReporter::new()))
}

#[cfg(feature = "cluster")]
#[allow(clippy::unnecessary_wraps)] // the other one fails
fn in_cluster(app: Builder) -> Result<Builder> {
    Ok(app.cluster())
}

#[cfg(not(feature = "cluster"))]
fn in_cluster(_: Builder) -> Result<Builder> {
    Err(Error::internal("built without the feature `cluster`"))
}

#[cfg(feature = "observed")]
#[allow(clippy::unnecessary_wraps)] // the other one fails
fn observe(app: Builder) -> Result<Builder> {
    Ok(observed::observe(app))
}

#[cfg(not(feature = "observed"))]
fn observe(_: Builder) -> Result<Builder> {
    Err(Error::internal("built without the feature `observed`"))
}

/// The role of the server in a cluster.
enum Role {
    /// The server is not one of a cluster.
    Solo,
    /// Clients connect to it.
    Front,
    /// It serves forwarded messages.
    Back,
}

fn usage(flag: &str) -> Error {
    Error::internal(format!("{flag} is not understood; usage: {USAGE}"))
}
