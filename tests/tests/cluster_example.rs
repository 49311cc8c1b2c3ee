//! The example `cluster`: players on two connectors, rooms on two room servers; within one process, and as processes of
//! their own over NATS and etcd.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use cluster::api::{Join, Joined, Members, Message, Say};
use cluster::connector::Entry;
use cluster::room::{Room, Rooms};
use pitaya::acceptor::Tcp;
use pitaya::client::{Client, Pushes};
use pitaya::cluster::{MemoryBroker, MemoryRegistry};
use pitaya::prelude::*;
use pitaya_tests::programs::{Brokers, free_port};
use pitaya_tests::{soon, until};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

pitaya::link!(cluster);

struct Player {
    client: Client,
    members: Pushes<Members>,
    messages: Pushes<Message>,
}

impl Player {
    async fn connect(connector: SocketAddr) -> Self {
        let client = Client::builder().connect_tcp(connector).await.unwrap();
        Self { members: client.pushes(), messages: client.pushes(), client }
    }

    async fn join(&self, name: &str, room: &str) -> Joined {
        let join = Join { name: name.to_owned(), room: room.to_owned() };
        self.client.request(&Entry::JOIN, &join).await.unwrap()
    }

    /// The same, without the news of the members that come with it.
    async fn enter(&self, name: &str, room: &str) -> Vec<String> {
        let mut members = self.join(name, room).await.members;
        members.sort();
        members
    }

    async fn say(&self, text: &str) {
        self.client.request(&Room::SAY, &Say { text: text.to_owned() }).await.unwrap();
    }

    async fn sees(&mut self, members: &[&str]) {
        loop {
            let push = soon("news of the members", self.members.next()).await.unwrap();
            if push.members == members {
                return;
            }
        }
    }

    async fn hears(&mut self, from: &str, text: &str) {
        let heard = soon("a message", self.messages.next()).await.unwrap();
        assert_eq!(heard, Message { from: from.to_owned(), text: text.to_owned() });
    }
}

/// Two players on two connectors, in each of some rooms.
async fn tour(connectors: [SocketAddr; 2]) {
    for n in 0..6 {
        let room = format!("room-{n}");
        let (mut ann, mut bob) = (Player::connect(connectors[0]).await, Player::connect(connectors[1]).await);
        let refused = ann.client.request(&Room::SAY, &Say { text: "hello?".to_owned() }).await.unwrap_err();
        assert_eq!((refused.code(), refused.msg()), ("CHAT-001", "join a room first"));
        assert_eq!(ann.join("Ann", &room).await.members, ["Ann"]);
        let mut both = bob.join("Bob", &room).await.members;
        both.sort();
        assert_eq!(both, ["Ann", "Bob"]);
        for n in 0..10 {
            ann.say(&format!("hi {n}")).await;
            for player in [&mut ann, &mut bob] {
                player.hears("Ann", &format!("hi {n}")).await;
            }
        }
        bob.say("bye").await;
        ann.hears("Bob", "bye").await;
        bob.client.disconnect().await;
        ann.sees(&["Ann"]).await;
        ann.client.disconnect().await;
    }
}

#[tokio::test]
async fn players_chat_across_connectors_and_rooms() {
    let (registry, broker) = (MemoryRegistry::default(), MemoryBroker::default());
    let app = || App::builder().discovery(registry.discovery()).transport(broker.transport());
    let connector = || cluster::connector(app().acceptor(Tcp::new("127.0.0.1:0")));
    let rooms = [cluster::room(app()).start().await.unwrap(), cluster::room(app()).start().await.unwrap()];
    let connectors = [connector().start().await.unwrap(), connector().start().await.unwrap()];
    tour([connectors[0].socket_addrs()[0], connectors[1].socket_addrs()[0]]).await;
    for app in connectors.into_iter().chain(rooms) {
        app.stop().await;
    }
}

/// Two players of a room, on two connectors.
struct Pair {
    room: String,
    ann: Player,
    bob: Player,
}

impl Pair {
    async fn enter(connectors: [SocketAddr; 2], room: String) -> Self {
        let (ann, bob) = (Player::connect(connectors[0]).await, Player::connect(connectors[1]).await);
        assert_eq!(ann.enter("Ann", &room).await, ["Ann"]);
        assert_eq!(bob.enter("Bob", &room).await, ["Ann", "Bob"]);
        Self { room, ann, bob }
    }

    /// Each says something, and both hear all of it.
    async fn talk(&mut self, about: &str) {
        for n in 0..5 {
            for (name, speaker) in [("Ann", &self.ann), ("Bob", &self.bob)] {
                speaker.say(&format!("{about} {n} {name}")).await;
            }
            for player in [&mut self.ann, &mut self.bob] {
                for name in ["Ann", "Bob"] {
                    player.hears(name, &format!("{about} {n} {name}")).await;
                }
            }
        }
    }

    async fn leave(self) {
        self.ann.client.disconnect().await;
        self.bob.client.disconnect().await;
    }
}

async fn pairs(connectors: [SocketAddr; 2], name: &str) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for n in 0..8 {
        pairs.push(Pair::enter(connectors, format!("{name}-{n}")).await);
    }
    pairs
}

#[tokio::test]
async fn a_room_server_drains_without_losing_a_message() {
    let (registry, broker) = (MemoryRegistry::default(), MemoryBroker::default());
    let app = || {
        let mut config = pitaya::config::Config::default();
        config.session.drain.period = Duration::from_millis(10);
        App::builder().config(config).discovery(registry.discovery()).transport(broker.transport())
    };
    let start_room = async |id: &str| Arc::new(cluster::room(app().server_id(id)).start().await.unwrap());
    let start_connector =
        async || cluster::connector(app().acceptor(Tcp::new("127.0.0.1:0"))).start().await.unwrap();
    let [one, two] = [start_room("room-1").await, start_room("room-2").await];
    let connectors = [start_connector().await, start_connector().await];
    let at = [0, 1].map(|n: usize| connectors[n].socket_addrs()[0]);
    let rooms_of = |server: &pitaya::app::Running| server.app().state::<Arc<Rooms>>().unwrap().open();

    let mut old = pairs(at, "old").await;
    let on_one = rooms_of(&one);
    assert!(!on_one.is_empty() && on_one.len() < old.len(), "{on_one:?}");
    let draining = tokio::spawn({
        let one = Arc::clone(&one);
        async move { one.drain().await }
    });
    until("the connectors know", || {
        connectors
            .iter()
            .all(|it| it.app().servers().unwrap().get("room-1").is_some_and(|one| one.is_draining()))
    })
    .await;
    // Open rooms stay where they are. New ones are opened on the other server.
    let mut new = pairs(at, "new").await;
    assert_eq!(rooms_of(&one), on_one);
    for pair in old.iter_mut().chain(&mut new) {
        pair.talk("while it drains").await;
    }
    // So do players who come by a connector that was not there before.
    let late = start_connector().await;
    for pair in &mut old {
        let mut cid = Player::connect(late.socket_addrs()[0]).await;
        assert_eq!(cid.enter("Cid", &pair.room).await, ["Ann", "Bob", "Cid"]);
        cid.say("hello").await;
        for player in [&mut pair.ann, &mut pair.bob, &mut cid] {
            player.hears("Cid", "hello").await;
        }
        cid.client.disconnect().await;
        pair.talk("after Cid").await;
    }
    assert_eq!(rooms_of(&one), on_one);
    assert!(!draining.is_finished());
    let (leave, stay): (Vec<_>, Vec<_>) = old.into_iter().partition(|pair| on_one.contains(&pair.room));
    for pair in leave {
        pair.leave().await;
    }
    soon("the drain", draining).await.unwrap();
    Arc::into_inner(one).unwrap().stop().await;
    for mut pair in stay.into_iter().chain(new) {
        pair.talk("alone").await;
    }
    // A room of the stopped server is opened again.
    Pair::enter(at, on_one[0].clone()).await.talk("again").await;
    Arc::into_inner(two).unwrap().stop().await;
    for connector in connectors.into_iter().chain([late]) {
        connector.stop().await;
    }
}

/// Processes over etcd, and NATS or gRPC: two rooms, two connectors, and where those listen.
struct Processes {
    rooms: [Child; 2],
    _connectors: [Child; 2],
    at: [SocketAddr; 2],
}

impl Processes {
    async fn start(brokers: &Brokers) -> Self {
        let start = |args: &[&str]| -> Child {
            let (nats, grpc) = match brokers.over_grpc() {
                true => (String::new(), vec!["--grpc".to_owned(), free_port().to_string()]),
                false => (brokers.nats().url(), Vec::new()),
            };
            Command::new(env!("CARGO_BIN_EXE_tested-cluster"))
                .args(args)
                .args(grpc)
                .env("PITAYA_CLUSTER_RPC_SERVER_GRPC_ADVERTISEDHOST", "127.0.0.1")
                .env("PITAYA_CLUSTER_SD_ETCD_ENDPOINTS", brokers.etcd().url())
                .env("PITAYA_CLUSTER_SD_ETCD_PREFIX", brokers.prefix())
                .env("PITAYA_CLUSTER_RPC_CLIENT_NATS_CONNECT", nats)
                .env("PITAYA_SESSION_DRAIN_ENABLED", "true")
                .env("PITAYA_SESSION_DRAIN_PERIOD", "20ms")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .expect("the program starts")
        };
        let rooms = [start(&["room"]), start(&["room"])];
        brokers.until_registered("room", 2).await;
        let ports = [free_port(), free_port()].map(|port| port.to_string());
        let connectors =
            [start(&["connector", "--port", &ports[0]]), start(&["connector", "--port", &ports[1]])];
        brokers.until_registered("connector", 2).await;
        let at = ports.map(|port| format!("127.0.0.1:{port}").parse::<SocketAddr>().unwrap());
        for address in at {
            soon("a connector to listen", async {
                while tokio::net::TcpStream::connect(address).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
            .await;
        }
        Self { rooms, _connectors: connectors, at }
    }
}

#[tokio::test]
#[ignore = "needs nats-server and etcd"]
async fn as_processes_over_nats_and_etcd_they_do_the_same() {
    let brokers = Brokers::start().await;
    let processes = Processes::start(&brokers).await;
    tour(processes.at).await;
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn as_processes_over_grpc_they_need_no_broker() {
    let brokers = Brokers::without_nats().await;
    let processes = Processes::start(&brokers).await;
    tour(processes.at).await;
}

#[tokio::test]
#[ignore = "needs nats-server and etcd"]
async fn a_room_process_drains_without_losing_a_message() {
    let brokers = Brokers::start().await;
    let Processes { rooms: [mut one, _two], _connectors, at } = Processes::start(&brokers).await;
    let mut old = pairs(at, "old").await;
    let pid = one.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)).expect("it runs");
    kill_process(pid, Signal::TERM).expect("it is ours");
    // Whenever each side learns of the drain.
    for round in 0..10 {
        for pair in &mut old {
            pair.talk(&format!("round {round}")).await;
        }
    }
    let mut new = pairs(at, "new").await;
    for pair in old.iter_mut().chain(&mut new) {
        pair.talk("while it drains").await;
    }
    for pair in old {
        pair.leave().await;
    }
    assert!(soon("its end", one.wait()).await.unwrap().success());
    for pair in &mut new {
        pair.talk("alone").await;
    }
}
