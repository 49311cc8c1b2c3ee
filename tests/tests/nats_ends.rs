//! The transport over NATS at its limits, and at the end: of requests, of a broker, of a user.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, join_all};
use pitaya::cluster::{NatsTransport, Receiver, Server, Transport, TransportError, response};
use pitaya_tests::nats::{Nats, round_trip, transport, transport_with};
use pitaya_tests::transport::{Peer, TestPeers};
use pitaya_tests::{soon, until};

/// Calls without a pause until stopped. Returns the number of answers and of calls without responders.
async fn call_on(
    from: &Peer<NatsTransport>,
    to: &Peer<NatsTransport>,
    name: &str,
    stop: &AtomicBool,
) -> (u32, u32) {
    let (mut answered, mut nobody) = (0, 0);
    while !stop.load(SeqCst) {
        let body = format!("{name} {answered} {nobody}");
        match from.ask(&to.server, body.clone()).await {
            Ok(answer) => {
                assert_eq!(answer, body);
                answered += 1;
            }
            Err(TransportError::NoResponders) => nobody += 1,
            Err(error) => panic!("{body}: {error}"),
        }
    }
    (answered, nobody)
}

fn twice(received: &[String]) -> Vec<&String> {
    let mut times: BTreeMap<&String, usize> = BTreeMap::new();
    for one in received {
        *times.entry(one).or_default() += 1;
    }
    times.into_iter().filter(|(_, times)| *times > 1).map(|(one, _)| one).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn draining_server_loses_no_request() {
    let nats = Nats::start().await;
    for _ in 0..10 {
        let TestPeers { one, two, back } = TestPeers::start(|| transport(&nats)).await;
        let stop = AtomicBool::new(false);
        let names: Vec<_> = (0..32).map(|n| format!("caller-{n}")).collect();
        let calls = join_all(
            names
                .iter()
                .enumerate()
                .map(|(n, name)| call_on(if n % 2 == 0 { &one } else { &back }, &two, name, &stop)),
        );
        let drain = async {
            two.recorder.has_many("request", 1000).await;
            soon("the drain", two.transport.drain()).await;
            // All of them found no responders.
            let seen = two.recorder.recorded("request").len();
            assert_eq!(one.ask(&two.server, "late").await, Err(TransportError::NoResponders));
            stop.store(true, SeqCst);
            seen
        };
        let (calls, seen) = tokio::join!(calls, drain);
        // each call was answered or refused, and each that was taken in was answered
        let answered: u32 = calls.iter().map(|(answered, _)| answered).sum();
        assert_eq!(answered as usize, seen);
        assert_eq!(twice(&two.recorder.recorded("request")), Vec::<&String>::new());
        for peer in [one, two, back] {
            peer.transport.close().await;
        }
    }
}

/// No message is doubled either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn lame_duck_broker_is_left_without_loss() {
    let config = "lame_duck_grace_period: 60s\nlame_duck_duration: 120s";
    let [mut one, two] = Nats::start_two(config).await;
    let moving = Peer::start(Server::new("front", "moving").frontend(true), transport(&one)).await;
    let staying = Peer::start(Server::new("front", "staying").frontend(true), transport(&two)).await;
    moving.transport.serve_user("ann").await.unwrap();
    until_heard(&staying, &moving).await;

    let stop = AtomicBool::new(false);
    let names: Vec<_> = (0..8).map(|n| format!("caller-{n}")).collect();
    let calls = join_all(names.iter().enumerate().map(|(n, name)| {
        let (from, to) = if n % 2 == 0 { (&staying, &moving) } else { (&moving, &staying) };
        call_on(from, to, name, &stop)
    }));
    let pushes = async {
        let mut pushed = 0;
        while !stop.load(SeqCst) {
            staying.push("ann", &format!("{pushed:09}")).await.unwrap();
            pushed += 1;
            tokio::task::yield_now().await;
            if pushed % 64 == 0 {
                // no faster than they are taken in
                moving.recorder.has_many("push", pushed - 64).await;
            }
        }
        pushed
    };
    // a call that waits during all of it
    let waiting = staying.ask(&moving.server, "wait for me");
    let waited = moving.ask(&staying.server, "wait for you");
    let duck = async {
        moving.recorder.has_many("request", 500).await;
        one.lame_duck();
        until("it has moved", || moving.transport.counts().moves == 1).await;
        let before = moving.recorder.recorded("request").len();
        moving.recorder.has_many("request", before + 500).await;
        moving.recorder.open();
        staying.recorder.open();
        stop.store(true, SeqCst);
    };
    let (calls, pushed, waiting, waited, ()) = tokio::join!(calls, pushes, waiting, waited, duck);
    assert_eq!(waiting, Ok("wait for me".into()));
    assert_eq!(waited, Ok("wait for you".into()));
    assert!(calls.iter().all(|(answered, nobody)| *answered > 0 && *nobody == 0), "{calls:?}");
    let asked = |offset: usize| {
        calls.iter().skip(offset).step_by(2).map(|(answered, _)| *answered as usize).sum::<usize>()
    };
    for (peer, offset) in [(&moving, 0), (&staying, 1)] {
        let received = peer.recorder.recorded("request caller");
        assert_eq!((received.len(), twice(&received)), (asked(offset), vec![]));
    }
    moving.recorder.has_many("push", pushed).await;
    let expected: Vec<_> = (0..pushed).map(|n| format!("push {n:09}")).collect();
    assert!(moving.recorder.recorded("push") == expected, "the pushes are others, or in another order");

    // No server notices that it is gone.
    one.kill();
    moving.transport.serve_user("bob").await.unwrap();
    staying.push("bob", "hello").await.unwrap();
    moving.recorder.has("push hello").await;
    assert_eq!(moving.ask(&staying.server, "hello").await, Ok("hello".into()));
    assert_eq!(moving.recorder.recorded("reconnected"), Vec::<String>::new());
}

/// Waits until what one sends is heard by the other over two brokers, which tell each other of subscriptions in their
/// own time.
async fn until_heard(from: &Peer<NatsTransport>, to: &Peer<NatsTransport>) {
    soon("the brokers tell each other", async {
        while from.ask(&to.server, "heard").await.is_err() || to.ask(&from.server, "heard").await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// They are counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn requests_above_the_bound_are_refused() {
    let nats = Nats::start().await;
    let TestPeers { one, two, .. } =
        TestPeers::start(|| transport_with(&nats, |options| options.messages = 10)).await;
    let waiting = join_all((0..10).map(|n| one.ask(&two.server, format!("wait {n}"))));
    let more = async {
        two.recorder.has_many("request wait", 10).await;
        for _ in 0..3 {
            let answer = one.ask(&two.server, "more").await.unwrap();
            assert_eq!(response::read(answer).unwrap_err().code(), "PIT-503");
        }
        two.recorder.open();
    };
    let (answers, ()) = tokio::join!(waiting, more);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(two.transport.counts().refused_requests, 3);
    assert!(two.recorder.recorded("request more").is_empty());
    assert_eq!(one.ask(&two.server, "again").await, Ok("again".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn an_answer_that_is_too_large_is_counted() {
    let nats = Nats::start_with("max_payload: 1000", &[]).await;
    let TestPeers { one, two, .. } = TestPeers::start(|| transport(&nats)).await;
    let answer = one.ask(&two.server, "big 1001").await.unwrap();
    assert_eq!(response::read(answer).unwrap_err().code(), "PIT-500");
    assert_eq!(two.transport.counts().oversized_answers, 1);
    // the limit is this broker's
    let refused = TransportError::TooLarge { size: 1001, limit: 1000 };
    assert_eq!(one.ask(&two.server, vec![b'x'; 1001]).await, Err(refused));
    assert_eq!(one.ask(&two.server, "big 1000").await.map(|answer| answer.len()), Ok(1000));
}

/// Holds what is pushed until it is opened, and its thread with it.
#[derive(Default)]
struct Stuck {
    open: (Mutex<bool>, Condvar),
    received: AtomicUsize,
}

impl Receiver for Stuck {
    fn request(&self, body: Bytes) -> BoxFuture<'static, Bytes> {
        Box::pin(async move { body })
    }
    fn push(&self, body: Bytes) -> Bytes {
        self.received.fetch_add(1, SeqCst);
        let open = self.open.1.wait_while(self.open.0.lock().unwrap(), |open| !*open).unwrap();
        drop(open);
        body
    }
    fn kick(&self, body: Bytes) -> Bytes {
        body
    }
    fn bound(&self, _: Bytes) {}
    fn broadcast(&self, _: Bytes) {}
    fn reconnected(&self) {}
}

/// They are counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs nats-server"]
async fn messages_above_the_bound_are_dropped() {
    let nats = Nats::start().await;
    let stuck = Arc::new(Stuck::default());
    let slow = transport_with(&nats, |options| (options.messages, options.pushes) = (8, 8));
    let own = Arc::new(Server::new("front", "slow").frontend(true));
    slow.start(Arc::clone(&own), Arc::clone(&stuck) as Arc<dyn Receiver>).await.unwrap();
    slow.serve_user("ann").await.unwrap();
    let other = Peer::start(Server::new("back", "back-1"), transport(&nats)).await;
    for n in 0..100 {
        other.push("ann", &n.to_string()).await.unwrap();
    }
    until("the drops are counted", || slow.counts().slow_consumers >= 80).await;
    *stuck.open.0.lock().unwrap() = true;
    stuck.open.1.notify_all();
    // a slow user is no slow server
    assert_eq!(other.ask(&own, "hello").await, Ok("hello".into()));
    until("the others arrive", || stuck.received.load(SeqCst) as u64 + slow.counts().slow_consumers == 100)
        .await;
}

/// A client that knows nothing of us.
async fn stranger(nats: &Nats) -> async_nats::Client {
    async_nats::connect(nats.url()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn acknowledged_push_and_kick_get_an_answer() {
    let nats = Nats::start().await;
    let TestPeers { one, two, .. } = TestPeers::start(|| transport(&nats)).await;
    one.transport.serve_user("ann").await.unwrap();
    let stranger = stranger(&nats).await;
    for (subject, answer) in [
        ("pitaya/front/user/ann/push", response::NESTED_ACK),
        ("pitaya/front/user/ann/kick", response::KICKED),
        ("pitaya/front/bindings", response::ACK),
    ] {
        let got = soon(subject, stranger.request(subject, "x".into())).await.unwrap();
        assert_eq!(got.payload, answer, "{subject}");
    }
    // a request without a way back is handled all the same
    stranger.publish("pitaya/servers/front/front-1", "no way back".into()).await.unwrap();
    one.recorder.has("request no way back").await;
    assert_eq!(two.ask(&one.server, "hello").await, Ok("hello".into()));
    assert_eq!(one.transport.counts().lost_answers, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn somebody_who_listens_to_everything_disturbs_nobody() {
    let nats = Nats::start().await;
    let mut everything = stranger(&nats).await.subscribe(">").await.unwrap();
    let TestPeers { one, two, back } = TestPeers::start(|| transport(&nats)).await;
    soon("serving a user", one.transport.serve_user("ann")).await.unwrap();
    back.push("ann", "hello").await.unwrap();
    one.recorder.has("push hello").await;
    soon("the drain", two.transport.drain()).await;
    for peer in [one, two, back] {
        soon("the close", peer.transport.close()).await;
    }
    assert!(everything.next().await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn last_state_of_a_user_wins() {
    let nats = Nats::start().await;
    let TestPeers { one, back, .. } = TestPeers::start(|| transport(&nats)).await;
    let users: Vec<_> = (0..20).map(|n| format!("user-{n}")).collect();
    join_all(users.iter().enumerate().map(|(n, uid)| {
        let one = &one;
        async move {
            for round in 0..50 {
                let serve = one.transport.serve_user(uid);
                if (n + round) % 3 == 0 {
                    // given up half-way: that is undone
                    let _ = tokio::time::timeout(Duration::ZERO, serve).await.map(|served| {
                        served.unwrap();
                        one.transport.forget_user(uid);
                    });
                } else {
                    serve.await.unwrap();
                    one.transport.forget_user(uid);
                }
            }
            if n % 2 == 0 {
                one.transport.serve_user(uid).await.unwrap();
            }
        }
    }))
    .await;
    one.transport.serve_user("last").await.unwrap();
    for uid in &users {
        back.push(uid, uid).await.unwrap();
    }
    // each user has a way of its own: all must have come that are to come
    one.recorder.has_many("push", 10).await;
    back.settled(&one, "last").await;
    let mut received = one.recorder.recorded("push user");
    received.sort();
    let mut expected: Vec<_> = users.iter().step_by(2).map(|uid| format!("push {uid}")).collect();
    expected.sort();
    assert_eq!(received, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn unanswered_calls_cost_the_connection_nothing() {
    let nats = Nats::start().await;
    let TestPeers { one, two, .. } = TestPeers::start(|| transport(&nats)).await;
    let stranger = stranger(&nats).await;
    let _silent = stranger.subscribe("pitaya/servers/back/silent").await.unwrap();
    round_trip(&stranger).await;
    let silent = Server::new("back", "silent");
    for _ in 0..20 {
        let calls = (0..5_000).map(|_| one.transport.request(&silent, "x".into(), Duration::from_millis(1)));
        let answers = join_all(calls).await;
        assert!(answers.iter().all(|answer| *answer == Err(TransportError::Timeout)));
        assert_eq!(one.ask(&two.server, "hello").await, Ok("hello".into()));
    }
    let counts = one.transport.counts();
    assert_eq!((counts.reconnects, counts.slow_consumers), (0, 0));
}

/// Calls above the bound fail immediately.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn burst_of_answers_is_not_lost() {
    let nats = Nats::start().await;
    let few = transport_with(&nats, |options| (options.messages, options.pushes) = (64, 8));
    let TestPeers { one, .. } = TestPeers::start(|| transport(&nats)).await;
    let asks = Peer::start(Server::new("back", "few"), few).await;
    let mut refused = 0;
    for _ in 0..20 {
        let calls = (0..500).map(|n| asks.ask(&one.server, if n % 2 == 0 { "even" } else { "odd" }));
        let answers = soon("all answers", join_all(calls)).await;
        let answered = answers.iter().filter(|answer| answer.is_ok()).count();
        let busy = answers.iter().filter(|answer| **answer == Err(TransportError::Busy)).count();
        assert!(answered >= 64 && answered + busy == 500, "{answered} {busy}");
        refused += busy as u64;
    }
    let counts = asks.transport.counts();
    assert_eq!((counts.slow_consumers, counts.refused_calls), (0, refused));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn a_timeout_counts_what_a_call_waits_for_room_too() {
    let nats = Nats::start().await;
    let TestPeers { one, two, .. } = TestPeers::start(|| transport(&nats)).await;
    nats.freeze();
    let large = Bytes::from(vec![b'x'; 200_000]);
    let timeout = Duration::from_millis(100);
    // more than the client and the socket hold
    let calls = (0..3000).map(|_| one.transport.request(&two.server, large.clone(), timeout));
    let answers = soon("the ends of the calls", join_all(calls)).await;
    assert!(answers.iter().all(|answer| *answer == Err(TransportError::Timeout)));
}
