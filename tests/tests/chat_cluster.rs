//! The chat over a cluster: two connectors and two rooms as processes of their own, over NATS and etcd.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Stdio;

use chat::{ChatMessage, Join, Joined, Names, NewUser, Room, Say, UserLeft};
use futures_util::StreamExt;
use pitaya::Result;
use pitaya::client::{Client, Pushes};
use pitaya::cluster::{protos, subject};
use pitaya::group::{EtcdGroupOptions, EtcdStore, GroupStore};
use pitaya_tests::nats::round_trip;
use pitaya_tests::programs::Brokers;
use pitaya_tests::{browser, soon};
use prost::Message as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// A process of the cluster, which is killed when this is dropped, and the lines it has logged.
struct Server {
    process: Child,
    said: watch::Receiver<Vec<String>>,
}

impl Server {
    fn start(brokers: &Brokers, args: &[&str]) -> Self {
        Self::start_with(brokers, args, &[])
    }

    fn start_with(brokers: &Brokers, args: &[&str], env: &[(&str, &str)]) -> Self {
        let etcd = brokers.etcd().url();
        let mut process = Command::new(env!("CARGO_BIN_EXE_tested-chat"))
            .args(args)
            .env_clear()
            .env("NO_COLOR", "1")
            .env("CHAT_WS", "127.0.0.1:0")
            .env("CHAT_WEB", "127.0.0.1:0")
            .env("PITAYA_CLUSTER_SD_ETCD_ENDPOINTS", &etcd)
            .env("PITAYA_CLUSTER_SD_ETCD_PREFIX", brokers.prefix())
            .env("PITAYA_CLUSTER_SD_ETCD_HEARTBEAT_TTL", "2s")
            .env("PITAYA_CLUSTER_RPC_CLIENT_NATS_CONNECT", brokers.nats().url())
            .env("PITAYA_GROUPS_ETCD_ENDPOINTS", &etcd)
            .env("PITAYA_GROUPS_ETCD_PREFIX", brokers.prefix())
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let (tell, said) = watch::channel(Vec::new());
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                tell.send_modify(|said| said.push(line));
            }
        });
        Self { process, said }
    }

    /// Waits until it has logged so many lines with a text. Returns the last.
    async fn says(&mut self, text: &str, times: usize) -> String {
        let found = |said: &Vec<String>| {
            let mut lines = said.iter().filter(|line| line.contains(text));
            lines.nth(times - 1).cloned()
        };
        let said = soon(text, self.said.wait_for(|said| found(said).is_some())).await.expect("it runs");
        found(&said).expect("it was there")
    }

    /// Returns the text after `before` in a log line, up to the next space.
    async fn says_after(&mut self, text: &str) -> String {
        let line = self.says(text, 1).await;
        let (_, after) = line.split_once(text).expect("it is there");
        after.split(' ').next().unwrap_or_default().trim_end_matches('.').to_owned()
    }

    async fn kill(&mut self) {
        self.process.kill().await.expect("it runs");
    }

    /// Asks it to end, as an operator would, and waits until it has.
    async fn stop(&mut self) {
        let pid = self.process.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)).expect("it runs");
        kill_process(pid, Signal::TERM).expect("it is ours");
        assert!(soon("its end", self.process.wait()).await.unwrap().success());
    }
}

/// Two rooms and two connectors that know each other.
async fn start(brokers: &Brokers) -> ([Server; 2], [Server; 2]) {
    let mut rooms = [Server::start(brokers, &["room"]), Server::start(brokers, &["room"])];
    brokers.until_registered("room", 2).await;
    let mut connectors = [Server::start(brokers, &["connector"]), Server::start(brokers, &["connector"])];
    for connector in &mut connectors {
        connector.says("Open http://", 1).await;
    }
    for room in &mut rooms {
        room.says("server added server_type=connector", 2).await;
    }
    (rooms, connectors)
}

/// How many messages of people each room is asked to handle from now on, by the room's id.
struct Asked(watch::Receiver<BTreeMap<String, usize>>);

impl Asked {
    async fn watch(brokers: &Brokers) -> Self {
        let nats = async_nats::connect(brokers.nats().url()).await.expect("the broker is there");
        let mut all = nats.subscribe(">").await.expect("all is heard");
        round_trip(&nats).await;
        let servers = brokers.registered().await.into_iter();
        let rooms: BTreeMap<String, String> = servers
            .filter(|(server_type, _)| server_type == "room")
            .map(|(server_type, id)| (subject::rpc(&server_type, &id).expect("an address"), id))
            .collect();
        let (tell, counts) = watch::channel(rooms.values().map(|id| (id.clone(), 0)).collect());
        tokio::spawn(async move {
            // the client goes when this ends
            let _nats = nats;
            while let Some(message) = all.next().await {
                let Some(room) = rooms.get(message.subject.as_str()) else { continue };
                let request = protos::Request::decode(message.payload).expect("a request");
                if request.msg.is_some_and(|msg| msg.route == Room::MESSAGE.path()) {
                    tell.send_modify(|counts: &mut BTreeMap<_, usize>| *counts.get_mut(room).unwrap() += 1);
                }
            }
        });
        Self(counts)
    }

    /// Waits until all rooms were asked for this many together. Returns each room's part.
    async fn until(mut self, all: usize) -> Vec<usize> {
        let enough = |counts: &BTreeMap<String, usize>| counts.values().sum::<usize>() >= all;
        soon("messages for the rooms", self.0.wait_for(enough)).await.unwrap().values().copied().collect()
    }
}

#[tokio::test]
#[ignore = "needs nats-server and etcd and chromium"]
async fn two_tabs_on_two_connectors_chat_through_two_rooms() {
    let brokers = Brokers::start().await;
    let (_rooms, mut connectors) = start(&brokers).await;
    let asked = Asked::watch(&brokers).await;
    let mut urls = Vec::new();
    for connector in &mut connectors {
        urls.push(connector.says_after("Open ").await.replace("localhost", "127.0.0.1"));
    }
    assert_ne!(urls[0], urls[1]);
    // No browser is a failure here, not a reason to skip.
    browser::chat([&urls[0], &urls[1]]).await;
    // A burst of fifty, and what was said before and after it; each message goes to a room by chance.
    let handled = asked.until(50).await;
    assert_eq!(handled.len(), 2);
    assert!(handled.iter().all(|messages| *messages > 0), "one room did it all: {handled:?}");
}

/// A member of the chat, by the client of the framework.
struct Person {
    client: Client,
    uid: String,
    names: Pushes<Names>,
    received: Pushes<NewUser>,
    left: Pushes<UserLeft>,
    messages: Pushes<ChatMessage>,
}

impl Person {
    async fn join(at: SocketAddr, name: &str) -> Self {
        Self::try_join(at, name).await.unwrap()
    }

    async fn try_join(at: SocketAddr, name: &str) -> Result<Self> {
        let client = Client::builder().connect_ws(&format!("ws://{at}")).await.expect("a connection");
        let (names, received, left, messages) =
            (client.pushes(), client.pushes(), client.pushes(), client.pushes());
        let Joined { code, uid, .. } = client.request(&Room::JOIN, &Join { name: name.to_owned() }).await?;
        assert_eq!(code, 0);
        Ok(Self { client, uid, names, received, left, messages })
    }

    /// The first names that it receives: those of all members.
    async fn names(&mut self) -> Vec<String> {
        let mut names: Vec<_> = soon("names", self.names.next()).await.unwrap().names.into_values().collect();
        names.sort();
        names
    }

    async fn sees_come(&mut self, who: &Self) {
        let news = soon("a newcomer", self.received.next()).await.unwrap();
        assert_eq!(news.content, format!("New user: {}", who.uid));
    }

    /// Waits for news of so many that left.
    async fn sees_leave<'a>(&mut self, who: impl IntoIterator<Item = &'a Self>) {
        let wanted: BTreeSet<_> = who.into_iter().map(|person| person.uid.clone()).collect();
        let mut gone = BTreeSet::new();
        while gone.len() < wanted.len() {
            let uid = soon("a leave", self.left.next()).await.unwrap().uid;
            assert!(gone.insert(uid.clone()), "{uid} has left twice");
        }
        assert_eq!(gone, wanted);
    }

    async fn say(&self, text: &str) -> Result<()> {
        let say = Say { name: String::new(), content: text.to_owned() };
        self.client.request(&Room::MESSAGE, &say).await.map(drop)
    }

    async fn hears(&mut self, text: &str) {
        assert_eq!(soon("a message", self.messages.next()).await.unwrap().content, text);
    }
}

async fn sockets(connectors: &mut [Server; 2]) -> [SocketAddr; 2] {
    let mut sockets = Vec::new();
    for connector in connectors {
        sockets.push(connector.says_after("The chat listens on ").await.parse().expect("an address"));
    }
    sockets.try_into().expect("two")
}

/// The end of a room server removes no member.
#[tokio::test]
#[ignore = "needs nats-server and etcd"]
async fn members_leave_with_their_killed_connector() {
    let brokers = Brokers::start().await;
    let (mut rooms, mut connectors) = start(&brokers).await;
    let at = sockets(&mut connectors).await;
    let store = EtcdStore::new(EtcdGroupOptions {
        endpoints: vec![brokers.etcd().url()],
        prefix: brokers.prefix().to_owned(),
        ..EtcdGroupOptions::default()
    });
    let in_the_group = || async { store.members("room").await.unwrap().len() };

    // One name on two connectors is two members, and neither is sent away.
    let mut ann = Person::join(at[0], "Ann").await;
    let mut namesake = Person::join(at[1], "Ann").await;
    let mut bob = Person::join(at[1], "Bob Müller 日本").await;
    assert_eq!(bob.names().await, ["Ann", "Ann", "Bob Müller 日本"]);
    ann.sees_come(&namesake).await;
    ann.sees_come(&bob).await;
    assert_ne!(ann.uid, namesake.uid);
    for n in 0..20 {
        namesake.say(&format!("hi {n}")).await.unwrap();
        for person in [&mut ann, &mut bob, &mut namesake] {
            person.hears(&format!("hi {n}")).await;
        }
    }
    assert_eq!(in_the_group().await, 3);

    // A room that is killed takes nothing along: the other one knows all members, and how they are called.
    rooms[0].kill().await;
    let mut cid = soon("a member to join", async {
        loop {
            // Requests on their way to it get no answer.
            match Person::try_join(at[0], "Cid").await {
                Ok(cid) => return cid,
                Err(error) => eprintln!("not yet: {error}"),
            }
        }
    })
    .await;
    assert_eq!(cid.names().await, ["Ann", "Ann", "Bob Müller 日本", "Cid"]);
    ann.sees_come(&cid).await;
    soon("the other room to have all", async { while cid.say("still here").await.is_err() {} }).await;
    for person in [&mut ann, &mut bob, &mut cid] {
        person.hears("still here").await;
    }

    // Who was taken out of the group, as by servers that did not know this connector for a while, is let go, to join again.
    store.remove("room", &cid.uid).await.unwrap();
    soon("the end of the connection", cid.client.closed()).await;
    let mut cid = Person::join(at[0], "Cid").await;
    ann.sees_come(&cid).await;

    // A killed connector sends no notice. Its members still leave, each once.
    connectors[1].kill().await;
    ann.sees_leave([&bob, &namesake]).await;
    cid.sees_leave([&bob, &namesake]).await;
    assert_eq!(in_the_group().await, 2);
    ann.client.disconnect().await;
    cid.sees_leave([&ann]).await;

    // A stopped connector removes its members itself.
    connectors[0].stop().await;
    assert_eq!(in_the_group().await, 0);
}

#[tokio::test]
#[ignore = "needs nats-server and etcd"]
async fn a_room_drains_without_losing_a_message() {
    let brokers = Brokers::start().await;
    let (mut rooms, mut connectors) = start(&brokers).await;
    let drains = [("PITAYA_SESSION_DRAIN_ENABLED", "true"), ("PITAYA_SESSION_DRAIN_PERIOD", "20ms")];
    let mut drained = Server::start_with(&brokers, &["room"], &drains);
    brokers.until_registered("room", 3).await;
    for connector in &mut connectors {
        connector.says("server added server_type=room", 3).await;
    }
    let at = sockets(&mut connectors).await;
    let mut ann = Person::join(at[0], "Ann").await;
    let mut bob = Person::join(at[1], "Bob").await;
    ann.sees_come(&bob).await;
    let talk = async {
        // Long enough for the whole drain: it leaves the registry, and waits a moment for the others to learn of that.
        for n in 0..400 {
            ann.say(&format!("hi {n}")).await.unwrap();
            for person in [&mut ann, &mut bob] {
                person.hears(&format!("hi {n}")).await;
            }
        }
        for connector in &mut connectors {
            connector.says("server removed server_type=room", 1).await;
        }
    };
    tokio::join!(talk, drained.stop());
    // A person joins and leaves as before.
    let cid = Person::join(at[0], "Cid").await;
    ann.sees_come(&cid).await;
    cid.client.disconnect().await;
    bob.sees_leave([&cid]).await;
    for room in &mut rooms {
        room.stop().await;
    }
}
