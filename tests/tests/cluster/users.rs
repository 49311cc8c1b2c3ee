//! Users of all frontends, and that each is on one at a time.

use pitaya::app::Running;
use pitaya::cluster::Server;
use pitaya_tests::raw_client::{Got, RawClient};
use pitaya_tests::transport::Peer;

use crate::test_cluster::TestCluster;

async fn bound(gate: &Running, uid: &str) -> RawClient {
    let mut client = RawClient::of(gate).await;
    assert_eq!(
        client.ask("gate.gate.bind", format!(r#"{{"text":"{uid}"}}"#)).await,
        format!(r#"{{"text":"{uid}"}}"#)
    );
    client
}

#[tokio::test]
async fn push_reaches_users_and_names_the_others() {
    let cluster = TestCluster::default();
    let (one, two) = (cluster.gate("gate-1").await, cluster.gate("gate-2").await);
    let hall = cluster.hall("hall-1").await;
    let (mut ann, mut bob) = (bound(&one, "ann").await, bound(&two, "bob").await);
    let mut asks = RawClient::of(&one).await;
    for route in ["gate.gate.tell", "hall.hall.tell"] {
        let all = r#"{"text":"ann bob"}"#;
        assert_eq!(asks.ask(route, all).await, r#"{"text":"2 []"}"#);
        for client in [&mut ann, &mut bob] {
            let got = client.next().await.unwrap();
            assert!(matches!(&got, Got::Push { route, .. } if route == "onTold"), "{got:?}");
            assert_eq!(got.text(), all);
        }
    }
    assert_eq!(
        asks.ask("hall.hall.shout", r#"{"text":"x"}"#).await,
        r#"{"code":"PIT-000","msg":"for using SendPushToUsers from a backend server you have to specify a valid frontendType"}"#
    );
    assert_eq!(asks.ask("hall.hall.ban", r#"{"text":"ann a.*.b bob"}"#).await, r#"{"text":"2 [\"a.*.b\"]"}"#);
    for client in [&mut ann, &mut bob] {
        let got = client.closed().await;
        assert!(got.iter().any(|got| matches!(got, Got::Kick)), "{got:?}");
    }
    for app in [one, two, hall] {
        app.stop().await;
    }
}

#[tokio::test]
async fn bind_on_another_frontend_kicks_the_first() {
    let cluster = TestCluster::default();
    let (one, two) = (cluster.gate("gate-1").await, cluster.gate("gate-2").await);
    let mut first = bound(&one, "ann").await;
    let mut second = bound(&two, "ann").await;
    let got = first.closed().await;
    assert!(got.iter().any(|got| matches!(got, Got::Kick)), "{got:?}");
    assert_eq!(second.ask("gate.gate.say", r#"{"text":"still here"}"#).await, r#"{"text":"still here"}"#);
    let mut third = bound(&two, "ann").await;
    assert!(second.closed().await.iter().any(|got| matches!(got, Got::Kick)));
    assert_eq!(third.ask("gate.gate.say", r#"{"text":"me"}"#).await, r#"{"text":"me"}"#);
    one.stop().await;
    two.stop().await;
}

/// Where the configuration says so.
#[tokio::test]
async fn user_may_be_on_several_frontends() {
    let cluster = TestCluster::default();
    let mut config = pitaya_tests::server::config();
    config.session.unique = false;
    let tcp = || pitaya::acceptor::Tcp::new("127.0.0.1:0");
    let one = cluster.server("gate", "gate-1", config.clone()).acceptor(tcp()).start().await.unwrap();
    let two = cluster.server("gate", "gate-2", config).acceptor(tcp()).start().await.unwrap();
    let mut clients = [bound(&one, "ann").await, bound(&two, "ann").await];
    for client in &mut clients {
        assert_eq!(client.ask("gate.gate.say", r#"{"text":"x"}"#).await, r#"{"text":"x"}"#);
    }
    assert!(one.app().sessions().by_uid("ann").is_some() && two.app().sessions().by_uid("ann").is_some());
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn binds_are_announced_only_for_unique_sessions() {
    let cluster = TestCluster::default();
    let ear = Peer::start(Server::new("gate", "ear"), cluster.servers.broker.transport()).await;
    let mut config = pitaya_tests::server::config();
    config.session.unique = false;
    let tcp = pitaya::acceptor::Tcp::new("127.0.0.1:0");
    let several = cluster.server("gate", "gate-1", config).acceptor(tcp).start().await.unwrap();
    let one = cluster.gate("gate-2").await;
    let _ann = bound(&several, "ann").await;
    let _bob = bound(&one, "bob").await;
    ear.recorder.has_many("bound", 1).await;
    let bound = ear.recorder.recorded("bound");
    assert!(bound.len() == 1 && bound[0].contains("bob"), "{bound:?}");
    several.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_binds_keep_exactly_one_session() {
    let cluster = TestCluster::default();
    let (one, two) = (cluster.gate("gate-1").await, cluster.gate("gate-2").await);
    for n in 0..200 {
        let uid = format!("user-{n}");
        let (mut a, mut b) = (RawClient::of(&one).await, RawClient::of(&two).await);
        let body = format!(r#"{{"text":"{uid}"}}"#);
        tokio::join!(a.request("gate.gate.bind", &body), b.request("gate.gate.bind", &body));
        // Both binds are finished: each was answered, or its session is closed.
        let first = [a.next().await, b.next().await];
        pitaya_tests::until("one of them has gone", || {
            let here = [&one, &two].map(|gate| gate.app().sessions().by_uid(&uid).is_some());
            here[0] != here[1]
        })
        .await;
        let (live, answer) = match one.app().sessions().by_uid(&uid) {
            Some(_) => (&mut a, &first[0]),
            None => (&mut b, &first[1]),
        };
        assert!(matches!(answer, Some(Got::Response { error: false, .. })), "{uid}: {answer:?}");
        assert_eq!(live.ask("gate.gate.say", r#"{"text":"alive"}"#).await, r#"{"text":"alive"}"#);
    }
    one.stop().await;
    two.stop().await;
}
