//! The example `cluster`: players on two connectors, rooms on two room servers; within one process, and as processes of
//! their own over NATS and etcd.

use std::net::SocketAddr;
use std::process::Stdio;

use cluster::api::{Join, Joined, Members, Message, Say};
use cluster::connector::Entry;
use cluster::room::Room;
use pitaya::acceptor::Tcp;
use pitaya::client::{Client, Pushes};
use pitaya::cluster::{MemoryBroker, MemoryRegistry};
use pitaya::prelude::*;
use pitaya_tests::programs::Ground;
use pitaya_tests::soon;
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
async fn within_one_process_players_on_two_connectors_chat_in_rooms_of_two_servers() {
    let (registry, broker) = (MemoryRegistry::default(), MemoryBroker::default());
    let app = || App::builder().discovery(registry.discovery()).transport(broker.transport());
    let connector = || cluster::connector(app().acceptor(Tcp::bind("127.0.0.1:0")));
    let rooms = [cluster::room(app()).start().await.unwrap(), cluster::room(app()).start().await.unwrap()];
    let connectors = [connector().start().await.unwrap(), connector().start().await.unwrap()];
    tour([connectors[0].socket_addrs()[0], connectors[1].socket_addrs()[0]]).await;
    for app in connectors.into_iter().chain(rooms) {
        app.stop().await;
    }
}

#[tokio::test]
async fn as_processes_over_nats_and_etcd_they_do_the_same() {
    let Some(ground) = Ground::start().await else { return };
    let start = |args: &[&str]| -> Child {
        Command::new(env!("CARGO_BIN_EXE_tested-cluster"))
            .args(args)
            .env("PITAYA_CLUSTER_SD_ETCD_ENDPOINTS", ground.etcd().url())
            .env("PITAYA_CLUSTER_SD_ETCD_PREFIX", ground.prefix())
            .env("PITAYA_CLUSTER_RPC_CLIENT_NATS_CONNECT", ground.nats.url())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts")
    };
    let _rooms = [start(&["room"]), start(&["room"])];
    ground.registered("room", 2).await;
    let ports =
        [pitaya_tests::programs::free_port(), pitaya_tests::programs::free_port()].map(|p| p.to_string());
    let _connectors =
        [start(&["connector", "--port", &ports[0]]), start(&["connector", "--port", &ports[1]])];
    ground.registered("connector", 2).await;
    let at = ports.map(|port| format!("127.0.0.1:{port}").parse::<SocketAddr>().unwrap());
    for address in at {
        soon("a connector to listen", async {
            while tokio::net::TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
    }
    tour(at).await;
}
