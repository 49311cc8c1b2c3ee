//! The order in which what one call does to a session arrives at its client, over a real broker and in the simulator,
//! whose queues and delays another seed orders in another way.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pitaya::Users;
use pitaya::acceptor::Tcp;
use pitaya::app::Running;
use pitaya::cluster::{Address, Discovery as _, GrpcOptions, GrpcTransport, MemoryRegistry, Server, Servers};
use pitaya::metrics::InMemoryReporter;
use pitaya::prelude::*;
use pitaya::testing::{self, Faults, memory_acceptor};
use pitaya_tests::cluster::{Hook, HookedTransport, MemoryCluster};
use pitaya_tests::nats::{Nats, transport};
use pitaya_tests::raw_client::{Got, RawClient};
use pitaya_tests::server::{OnText, Text, config};
use pitaya_tests::{soon, until};
use tokio::io::{AsyncRead, AsyncWrite};

#[derive(Component)]
struct Judge {
    users: Users,
    groups: Groups,
}

fn word(text: impl Into<String>) -> OnText {
    OnText { text: text.into() }
}

#[handler(server = "judge")]
impl Judge {
    pub async fn bind(&self, session: Session, msg: Text) -> Result<()> {
        session.bind(&msg.text).await
    }

    /// Pushes to the session, then kicks it.
    pub async fn ban(&self, session: Session) -> Result<()> {
        session.push(&word("0")).await?;
        session.kick().await
    }

    /// Pushes to the user, then kicks it.
    pub async fn ban_user(&self, session: Session) -> Result<()> {
        let (uid, users) = (session.require_uid()?, self.users.on_frontends("door"));
        users.push(&[&uid], &word("0")).await?.complete()?;
        users.kick(&[&uid]).await?.complete()
    }

    /// Pushes in each way that there is, then kicks the user.
    pub async fn ban_group(&self, session: Session) -> Result<()> {
        self.all_ways(&session).await?;
        self.users.on_frontends("door").kick(&[session.require_uid()?]).await?.complete()
    }

    /// Pushes in each way that there is, then kicks the session.
    pub async fn ban_last(&self, session: Session) -> Result<()> {
        self.all_ways(&session).await?;
        session.kick().await
    }

    /// Pushes in each way that there is, then answers.
    pub async fn both(&self, session: Session, msg: Text) -> Result<Text> {
        self.all_ways(&session).await?;
        Ok(msg)
    }

    /// The same, and fails.
    pub async fn fail(&self, session: Session) -> Result<Text> {
        self.all_ways(&session).await?;
        Err(Error::new("J-1", "as asked"))
    }

    /// Only answers.
    pub async fn say(&self, msg: Text) -> Result<Text> {
        Ok(msg)
    }

    /// Pushes to another user.
    pub async fn tell(&self, msg: Text) -> Result<()> {
        self.users.on_frontends("door").push(&[&msg.text], &word("told")).await?.complete()
    }
}

impl Judge {
    async fn all_ways(&self, session: &Session) -> Result<()> {
        let (uid, users) = (session.require_uid()?, self.users.on_frontends("door"));
        let group = self.groups.group(&format!("of-{uid}")).on_frontends("door");
        group.ensure().await?;
        if !group.contains(&uid).await? {
            group.add(&uid).await?;
        }
        session.push(&word("0")).await?;
        users.push(&[&uid], &word("1")).await?.complete()?;
        group.push(&word("2")).await?.complete()?;
        session.set("n", 1)?;
        session.push_to_front().await?;
        session.push(&word("3")).await
    }
}

/// A frontend has to serve something.
#[derive(Component)]
struct Door;

#[handler(server = "door")]
impl Door {
    pub async fn nothing(&self) -> Result<()> {
        Ok(())
    }
}

/// Returns the pushes and the kick until the connection ends, without answers.
async fn until_closed<S: AsyncRead + AsyncWrite + Unpin>(client: &mut RawClient<S>) -> Vec<String> {
    let mut received = Vec::new();
    while let Some(got) = client.any().await {
        match &got {
            Got::Push { .. } => received.push(got.text().to_owned()),
            Got::Kick => received.push("kick".to_owned()),
            _ => {}
        }
    }
    received
}

fn words(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|n| format!(r#"{{"text":"{n}"}}"#)).collect()
}

/// Everything a client sees of each call, once, in order.
async fn all_in_order<S: AsyncRead + AsyncWrite + Unpin>(
    mut connect: impl AsyncFnMut() -> RawClient<S>,
    name: &str,
    answers: u32,
) {
    for (route, pushes) in [("ban", 1), ("ban_user", 1), ("ban_group", 4), ("ban_last", 4)] {
        let mut client = connect().await;
        client.ask("judge.judge.bind", format!(r#"{{"text":"{name}-{route}"}}"#)).await;
        client.request(&format!("judge.judge.{route}"), "").await;
        let expected = [words(0..pushes), vec!["kick".to_owned()]].concat();
        assert_eq!(until_closed(&mut client).await, expected, "{route}");
    }
    let mut client = connect().await;
    client.ask("judge.judge.bind", format!(r#"{{"text":"{name}"}}"#)).await;
    for n in 0..answers {
        let route = if n % 4 == 3 { "judge.judge.fail" } else { "judge.judge.both" };
        client.request(route, format!(r#"{{"text":"{n}"}}"#)).await;
        for word in words(0..4) {
            let got = client.next().await;
            assert!(matches!(&got, Some(Got::Push { .. })) && got.unwrap().text() == word, "{n}");
        }
        assert!(matches!(client.next().await, Some(Got::Response { .. })), "{n}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs nats-server"]
async fn one_call_is_in_order_over_a_broker() {
    let nats = Nats::start().await;
    let registry = MemoryRegistry::default();
    let builder = |server_type: &str| {
        App::builder()
            .config(config())
            .server_type(server_type)
            .discovery(registry.discovery())
            .transport(transport(&nats))
    };
    let door = builder("door").acceptor(Tcp::new("127.0.0.1:0")).start().await.unwrap();
    let other = builder("door").acceptor(Tcp::new("127.0.0.1:0")).start().await.unwrap();
    let judge = builder("judge").backend().start().await.unwrap();
    for round in 0..50 {
        all_in_order(async || RawClient::of(&door).await, &format!("u{round}"), 20).await;
    }
    for app in [door, other, judge] {
        app.stop().await;
    }
}

/// Without the registry too. Then messages to users are not published to the users' own addresses, because those calls
/// could overtake the messages stream.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_call_is_in_order_over_grpc() {
    let registry = MemoryRegistry::default();
    let builder = |server_type: &str| {
        let options = GrpcOptions { advertised_host: "127.0.0.1".into(), ..GrpcOptions::default() };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let transport = GrpcTransport::with_listener(options, listener).expect("the options are valid");
        let app = App::builder().config(config()).server_type(server_type);
        app.discovery(registry.discovery()).transport(transport)
    };
    let door = builder("door").acceptor(Tcp::new("127.0.0.1:0")).start().await.unwrap();
    let other = builder("door").acceptor(Tcp::new("127.0.0.1:0")).start().await.unwrap();
    let judge = builder("judge").server_id("judge-1").backend().start().await.unwrap();
    for round in 0..20 {
        registry.set_reachable("judge-1", round % 2 == 0);
        all_in_order(async || RawClient::ready(door.socket_addrs()[0]).await, &format!("u{round}"), 20).await;
    }
    registry.set_reachable("judge-1", true);
    for app in [door, other, judge] {
        app.stop().await;
    }
}

/// Each push has the same bytes, to the client and to the frontend but for its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn equal_pushes_are_not_lost_while_a_frontend_moves() {
    let config_of_brokers = "lame_duck_grace_period: 60s\nlame_duck_duration: 120s";
    let [one, two] = Nats::start_two(config_of_brokers).await;
    let registry = MemoryRegistry::default();
    let builder = |server_type: &str| {
        App::builder().config(config()).server_type(server_type).discovery(registry.discovery())
    };
    let moving = Arc::new(transport(&one));
    let door = builder("door").transport(Arc::clone(&moving)).acceptor(Tcp::new("127.0.0.1:0"));
    let door = door.start().await.unwrap();
    let judge = builder("judge").transport(transport(&two)).backend().start().await.unwrap();
    let mut client = RawClient::of(&door).await;
    // the brokers tell each other of subscriptions in their own time
    let heard =
        async { while client.ask("judge.judge.say", r#"{"text":"x"}"#).await != r#"{"text":"x"}"# {} };
    soon("the brokers tell each other", heard).await;
    client.ask("judge.judge.bind", r#"{"text":"ann"}"#).await;
    let tick = r#"{"text":"ann"}"#;
    let (mut calls, mut left) = (0, None);
    while left != Some(0) {
        client.request("judge.judge.tell", tick).await;
        let got = client.next().await;
        assert!(matches!(&got, Some(Got::Push { .. })), "push {calls}: {got:?}");
        assert!(matches!(client.next().await, Some(Got::Response { error: false, .. })), "answer {calls}");
        calls += 1;
        if calls == 200 {
            one.lame_duck();
        }
        left = match left {
            None if moving.counts().moves == 1 => Some(500),
            left => left.map(|left: u32| left - 1),
        };
    }
    for app in [door, judge] {
        app.stop().await;
    }
}

#[test]
fn one_call_is_in_order_under_every_seed() {
    for seed in 0..150 {
        testing::run(seed, async |cluster| {
            let door = cluster.frontend("door", |app| app).await.unwrap();
            let _other = cluster.frontend("door", |app| app).await.unwrap();
            let _judge = cluster.backend("judge", |app| app).await.unwrap();
            if seed % 2 == 0 {
                let delay = Duration::from_millis(0)..Duration::from_millis(40);
                cluster.faults(Faults { delay, ..Faults::default() });
            }
            let connect = async || {
                let mut client = RawClient::over(door.dialer().unwrap().connect().unwrap());
                client.handshake().await;
                client
            };
            all_in_order(connect, "ann", 6).await;
        });
    }
}

/// Records what is published, and may lose broadcasts.
#[derive(Default)]
struct Tap {
    /// The published messages, by the kind of their address.
    published: Mutex<Vec<(&'static str, Bytes)>>,
    lose: AtomicBool,
}

impl Tap {
    fn take(&self) -> Vec<(&'static str, Bytes)> {
        std::mem::take(&mut self.published.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Hook for Tap {
    fn on_publish(&self, to: &Address<'_>, body: &Bytes) -> bool {
        let kind = match to {
            Address::Push { .. } => "push",
            Address::Kick { .. } => "kick",
            Address::Broadcast(_) => "broadcast",
            _ => "other",
        };
        self.published.lock().unwrap_or_else(PoisonError::into_inner).push((kind, body.clone()));
        kind != "broadcast" || !self.lose.load(SeqCst)
    }
}

/// A door and a judge whose transport is looked at.
struct Court {
    cluster: MemoryCluster,
    metrics: Arc<InMemoryReporter>,
    door: Running,
    judge: Running,
    tap: Arc<Tap>,
    dialer: testing::Dialer,
}

impl Court {
    async fn open() -> Self {
        let (cluster, metrics) = (MemoryCluster::default(), Arc::new(InMemoryReporter::new()));
        let (door, dialer) = door(&cluster, "door-1", &metrics).await;
        let tap = Arc::<Tap>::default();
        let transport = HookedTransport(cluster.broker.transport(), Arc::clone(&tap));
        let judge = cluster.server_over(transport, "judge", "judge-1").backend().start().await.unwrap();
        Self { cluster, metrics, door, judge, tap, dialer }
    }

    async fn client(dialer: &testing::Dialer, uid: &str) -> RawClient<tokio::io::DuplexStream> {
        let mut client = RawClient::over(dialer.connect().unwrap());
        client.handshake().await;
        client.ask("judge.judge.bind", format!(r#"{{"text":"{uid}"}}"#)).await;
        client
    }

    async fn close(self) {
        self.door.stop().await;
        self.judge.stop().await;
    }
}

async fn door(
    cluster: &MemoryCluster,
    id: &str,
    metrics: &Arc<InMemoryReporter>,
) -> (Running, testing::Dialer) {
    let (acceptor, dialer) = memory_acceptor();
    let reporter = Arc::<InMemoryReporter>::clone(metrics);
    let app = cluster.server("door", id).reporter(reporter).acceptor(acceptor).start().await.unwrap();
    (app, dialer)
}

#[tokio::test(start_paused = true)]
async fn a_lost_push_delays_its_answer_once() {
    let court = Court::open().await;
    let mut client = Court::client(&court.dialer, "ann").await;
    court.tap.lose.store(true, SeqCst);
    let began = tokio::time::Instant::now();
    client.request("judge.judge.ban_user", "").await; // the kick is lost, too
    assert!(matches!(client.next().await, Some(Got::Response { error: false, .. })));
    assert_eq!(began.elapsed().as_secs(), 2);
    assert_eq!(court.metrics.sum("order_timeouts", &[]), 1.0);
    court.tap.lose.store(false, SeqCst);
    assert_eq!(client.ask("judge.judge.say", r#"{"text":"x"}"#).await, r#"{"text":"x"}"#);
    client.request("judge.judge.both", r#"{"text":"y"}"#).await;
    for word in words(0..4) {
        assert_eq!(client.pushed().await.1, word);
    }
    assert!(matches!(client.next().await, Some(Got::Response { .. })));
    assert_eq!(began.elapsed().as_secs(), 2, "nothing else waits for what is lost");
    drop(client);
    court.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_foreign_frontend_gets_plain_messages() {
    let court = Court::open().await;
    let mut client = Court::client(&court.dialer, "ann").await;
    // A frontend of Go Pitaya announces nothing.
    let foreign = court.cluster.registry.discovery();
    let own = Arc::new(Server::new("door", "foreign").frontend(true));
    foreign.join(own, Arc::new(Servers::default())).await.unwrap();
    court.tap.take();
    client.request("judge.judge.ban_user", "").await;
    until_closed(&mut client).await;
    let push = b"\x0a\x06onText\x12\x03ann\x1a\x0c{\"text\":\"0\"}";
    assert_eq!(
        court.tap.take(),
        [("push", Bytes::from_static(push)), ("kick", Bytes::from_static(b"\x0a\x03ann"))]
    );
    foreign.close().await;
    court.close().await;
}

#[tokio::test(start_paused = true)]
async fn unknown_frontends_are_reached_without_a_registry() {
    let court = Court::open().await;
    let mut ann = Court::client(&court.dialer, "ann").await;
    court.cluster.registry.set_reachable("judge-1", false);
    let (second, dialer) = door(&court.cluster, "door-2", &court.metrics).await;
    let known = || court.judge.app().servers().unwrap().view().of_type("door").len();
    assert_eq!(known(), 1, "the judge does not learn of it");
    let mut bob = Court::client(&dialer, "bob").await;
    ann.ask("judge.judge.tell", r#"{"text":"bob"}"#).await;
    assert_eq!(bob.pushed().await.1, r#"{"text":"told"}"#);
    court.cluster.registry.set_reachable("judge-1", true);
    until("the judge knows both", || known() == 2).await;
    court.tap.take();
    ann.ask("judge.judge.tell", r#"{"text":"bob"}"#).await;
    assert_eq!(bob.pushed().await.1, r#"{"text":"told"}"#);
    let kinds: Vec<_> = court.tap.take().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["broadcast", "broadcast"], "one for each frontend again");
    drop((ann, bob));
    second.stop().await;
    court.close().await;
}
