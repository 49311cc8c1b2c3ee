//! The broker ends, or falls silent, and comes back.

use std::time::Duration;

use pitaya_tests::programs::{Brokers, Program};
use pitaya_tests::raw_client::{Got, RawClient};
use pitaya_tests::soon;
use tokio::time::Instant;

use crate::callers::{AT_ONCE, BACK, Caller, LOCAL, REMOTE, Seen, back, bind, code, front, pushed, tell};

const PAUSE: Duration = Duration::from_millis(5);
/// The memory that a server may take more of while its calls fail: what its allocator keeps, and no more.
const MORE_MEMORY: usize = 32 << 20;

/// Two frontends and a backend, with clients that ask all the time.
struct Scene {
    brokers: Brokers,
    fronts: [Program; 2],
    game: Program,
    local: Vec<Caller>,
    remote: Vec<Caller>,
}

impl Scene {
    async fn start(env: &[(&str, &str)]) -> Self {
        let brokers = Brokers::start().await;
        let game = back(&brokers, env).await;
        let fronts = [front(&brokers, env).await, front(&brokers, env).await];
        let mut scene = Self { brokers, fronts, game, local: Vec::new(), remote: Vec::new() };
        for (local, remote, front) in
            [("local 1", "remote 1", &scene.fronts[0]), ("local 2", "remote 2", &scene.fronts[1])]
        {
            scene.local.push(Caller::start(local, front, LOCAL, PAUSE).await);
            scene.remote.push(Caller::start(remote, front, REMOTE, PAUSE).await);
        }
        scene.all_well(Instant::now()).await;
        scene
    }

    /// Waits until all clients are answered. Returns how long that took.
    async fn all_well(&self, since: Instant) -> Duration {
        let mut longest = Duration::ZERO;
        for caller in self.local.iter().chain(&self.remote) {
            longest = longest.max(caller.well_since(since, 20).await);
        }
        longest
    }

    /// Waits until it is known on both frontends that the broker is gone; gives when. Calls that were on their way may
    /// wait for longer, so each that asks is a new client.
    async fn all_know(&self) -> Instant {
        for front in &self.fronts {
            soon("calls to fail immediately", async {
                loop {
                    let mut client = front.client().await;
                    let answer = tokio::time::timeout(AT_ONCE / 10, client.ask(REMOTE, "anybody?")).await;
                    if answer.is_ok_and(|answer| code(&answer) == "PIT-503") {
                        return;
                    }
                }
            })
            .await;
        }
        Instant::now()
    }

    fn runs(&mut self) {
        for program in self.fronts.iter_mut().chain([&mut self.game]) {
            assert!(program.runs(), "a server has ended");
        }
    }

    /// Stops all clients. Returns the results of those whose calls are forwarded; the others must have seen no failure.
    async fn stop(self) -> Vec<Seen> {
        for caller in self.local {
            caller.stop().await.is_all_well();
        }
        let mut remote = Vec::new();
        for caller in self.remote {
            remote.push(caller.stop().await);
        }
        remote
    }
}

/// Calls failed with a code: immediately once the loss of the broker was known, and only until it was back.
fn failed_at_once(seen: &[Seen], known: Instant, well: Instant) {
    for seen in seen {
        for call in seen.failed() {
            let code = call.code.as_deref().unwrap_or_default();
            if call.sent >= known {
                assert!(code == "PIT-503" && call.took < AT_ONCE, "{call:?}");
            } else {
                // one was on its way: whether it was handled is not known
                assert!(["PIT-503", "PIT-000", "PIT-408"].contains(&code), "{call:?}");
            }
        }
        assert!(
            seen.since(well).all(|call| call.is_ok()),
            "{:?}",
            seen.since(well).find(|call| !call.is_ok())
        );
    }
}

/// Of two clients, bound as one user on two frontends, exactly one stays; gives it.
async fn one_stays<'a>(one: &'a mut RawClient, two: &'a mut RawClient, uid: &str) -> &'a mut RawClient {
    let gone = |got: &Option<Got>| matches!(got, Some(Got::Kick) | None);
    let (first, stays) = soon("one of two sessions to be kicked", async {
        tokio::select! {
            got = one.next() => (got, &mut *two),
            got = two.next() => (got, &mut *one),
        }
    })
    .await;
    assert!(gone(&first), "{uid}: {first:?}");
    assert_eq!(stays.ask(LOCAL, "still here").await, "still here", "{uid}: both were kicked");
    stays
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server and etcd"]
async fn broker_restart_costs_only_its_calls() {
    let length = Duration::from_secs(3);
    let mut scene = Scene::start(&[]).await;
    let mut clients = Vec::new();
    for n in 0..5 {
        clients.push(scene.fronts[n % 2].client().await);
    }
    let [ann, bob, eve, asks, hammer] = &mut clients[..] else { unreachable!("there are five") };
    bind(ann, "ann").await;
    bind(bob, "bob").await;

    let died = Instant::now();
    scene.brokers.nats_mut().kill();
    let known = scene.all_know().await;
    println!("known after     {:.1?}", known.saturating_duration_since(died));

    // Meanwhile users come, some to both frontends, by turns to the one or the other first.
    bind(eve, "eve").await;
    let mut twins = Vec::new();
    for n in 0..6 {
        let uid = format!("twin-{n}");
        let mut pair = [scene.fronts[0].client().await, scene.fronts[1].client().await];
        for place in [n % 2, 1 - n % 2] {
            bind(&mut pair[place], &uid).await;
        }
        twins.push((uid, pair));
    }
    let memory = |scene: &Scene| [scene.fronts[0].memory(), scene.fronts[1].memory(), scene.game.memory()];
    let before = memory(&scene);
    let mut hammered = 0;
    while died.elapsed() < length {
        // Many concurrent calls, each of which fails.
        for _ in 0..100 {
            hammer.request(REMOTE, [b'x'; 1000]).await;
        }
        for _ in 0..100 {
            let got = hammer.next().await.expect("it is served on");
            assert_eq!(code(got.text()), "PIT-503");
        }
        hammered += 100;
    }
    let after = memory(&scene);
    println!("hammered        {hammered} failed, memory {before:?} -> {after:?}");
    assert!(after.iter().zip(before).all(|(after, before)| *after < before + MORE_MEMORY));

    scene.brokers.nats_mut().restart().await;
    let there = Instant::now();
    let well = scene.all_well(there).await;
    println!("back after      {well:.1?}");
    assert!(well < BACK);
    let well = there + well;

    // Both sides reach users that were bound before and meanwhile, each once.
    for from in ["connector", "game"] {
        tell(asks, from, &["ann", "bob", "eve"], from).await;
        for client in [&mut *ann, bob, eve] {
            assert_eq!(soon("a push", pushed(client)).await, from);
        }
    }
    // Each of the users that came twice is there once.
    for (uid, [one, two]) in &mut twins {
        let stays = one_stays(one, two, uid).await;
        tell(asks, "game", &[uid.as_str()], "you?").await;
        assert_eq!(soon("a push", pushed(stays)).await, "you?");
    }
    println!("one of two      {:.1?}", there.elapsed());
    assert!(there.elapsed() < BACK);
    // Backends reach the frontends themselves.
    for client in [asks, hammer] {
        assert_eq!(client.ask("game.testsvc.testbind", "").await, "ack");
    }
    // News of binds are heard too.
    for (old, uid, place) in [(ann, "ann", 1), (bob, "bob", 0)] {
        bind(&mut scene.fronts[place].client().await, uid).await;
        let got = soon("the kick", old.closed()).await;
        assert!(got.contains(&Got::Kick), "{uid}: {got:?}");
    }
    scene.runs();
    failed_at_once(&scene.stop().await, known, well);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server and etcd"]
async fn broker_frozen_too_long_counts_as_gone() {
    let quick = [
        ("PITAYA_CLUSTER_RPC_CLIENT_NATS_PINGINTERVAL", "200ms"),
        ("PITAYA_CLUSTER_RPC_CLIENT_NATS_MAXPINGSOUTSTANDING", "1"),
        ("PITAYA_CLUSTER_RPC_CLIENT_NATS_CONNECTIONTIMEOUT", "500ms"),
    ];
    let mut scene = Scene::start(&quick).await;
    let mut clients = [scene.fronts[0].client().await, scene.fronts[1].client().await];
    let [ann, eve] = &mut clients;
    bind(ann, "ann").await;
    let frozen = Instant::now();
    scene.brokers.nats().freeze();
    let known = scene.all_know().await;
    println!("known after     {:.1?}", known.saturating_duration_since(frozen));
    assert!(known.saturating_duration_since(frozen) < AT_ONCE);
    bind(eve, "eve").await;
    let length = Duration::from_secs(3).saturating_sub(frozen.elapsed());
    tokio::time::sleep(length).await; // the outage has its length
    scene.brokers.nats().thaw();
    let there = Instant::now();
    let well = scene.all_well(there).await;
    println!("back after      {well:.1?}");
    assert!(well < BACK);
    let mut asks = scene.fronts[0].client().await;
    tell(&mut asks, "game", &["ann", "eve"], "hello").await;
    for client in [ann, eve] {
        assert_eq!(soon("a push", pushed(client)).await, "hello");
    }
    scene.runs();
    failed_at_once(&scene.stop().await, known, there + well);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server and etcd"]
async fn broker_frozen_briefly_loses_no_call() {
    let mut scene = Scene::start(&[]).await;
    scene.brokers.nats().freeze();
    tokio::time::sleep(Duration::from_secs(2)).await; // the outage has its length
    scene.brokers.nats().thaw();
    let there = Instant::now();
    println!("back after      {:.1?}", scene.all_well(there).await);
    scene.runs();
    for seen in scene.stop().await {
        seen.is_all_well();
    }
}
