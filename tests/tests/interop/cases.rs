//! The cases. Each leaves the servers as it found them; users have names of their own in each.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use pitaya::cluster::Server;
use pitaya::cluster::protos::Request;
use pitaya::context::Metadata;
use pitaya_tests::nats::round_trip;
use pitaya_tests::raw_client::RawClient;
use pitaya_tests::{PATIENCE, soon};
use prost::Message as _;

use crate::TestCluster;

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: for<'a> fn(&'a mut TestCluster) -> BoxFuture<'a, ()>,
}

macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        pub(crate) const CASES: &[Case] = &[$(Case { name: stringify!($name), run: |cluster| $name(cluster).boxed() }),+];
    };
}

cases![
    requests_are_forwarded,
    notifies_are_forwarded,
    errors_keep_code_and_metadata,
    a_backend_binds,
    a_backend_kicks,
    a_bound_user_cannot_be_bound_again,
    users_are_pushed_to_from_either_side,
    groups_reach_their_members,
    one_session_a_user_on_one_frontend,
    one_session_a_user_on_all_frontends,
    servers_call_each_other,
    a_call_of_its_own_type_is_refused,
    a_server_that_comes_is_seen_and_one_that_goes,
    garbage_harms_nobody,
];

/// How often what is routed by chance is asked, so that every server has its turn.
const OFTEN: usize = 12;

async fn bind(client: &mut RawClient, route: &str, uid: &str) {
    // Where a user has been in this server's group already, that is said after the bind.
    let said = client.ask(route, uid).await;
    assert!(said == "ack" || said.contains("member already exists"), "{said}");
}

async fn requests_are_forwarded(cluster: &mut TestCluster) {
    for front in &cluster.fronts {
        let mut client = front.client().await;
        for _ in 0..OFTEN {
            for (route, body, answer) in [
                ("testrequestonlysessionreturnsptr", "", r#"{"code":200,"msg":"hello"}"#),
                ("testrequestreturnsptr", r#"{"msg":"good"}"#, r#"{"code":200,"msg":"good"}"#),
                ("testrequestreturnsraw", r#"{"msg":"good"}"#, "good"),
                ("testrequestreceivereturnsraw", "woow", "woow"),
            ] {
                assert_eq!(client.ask(&format!("game.testsvc.{route}"), body).await, answer, "{route}");
            }
        }
    }
}

async fn notifies_are_forwarded(cluster: &mut TestCluster) {
    for (n, front) in cluster.fronts.iter().enumerate() {
        let mut client = front.client().await;
        let uid = format!("notified-{n}-{}", cluster.name);
        bind(&mut client, "game.testsvc.testbindid", &uid).await;
        let body = format!(r#"{{"uids":["{uid}"],"msg":"noted"}}"#);
        client.notify("game.testsvc.testsendtousers", body).await;
        assert_eq!(client.pushed().await, ("route.sendtousers".into(), "noted".into()));
    }
}

async fn errors_keep_code_and_metadata(cluster: &mut TestCluster) {
    for front in &cluster.fronts {
        let mut client = front.client().await;
        for _ in 0..OFTEN {
            for (route, body, answer) in [
                ("game.testsvc.testrequestreturnserror", "x", r#"{"code":"PIT-555","msg":"somerror"}"#),
                (
                    "game.testsvc.testrequestonlysessionreturnsptrnil",
                    "",
                    r#"{"code":"PIT-000","msg":"reply must not be null"}"#,
                ),
                (
                    "game.testsvc.nonexistenthandler",
                    "",
                    r#"{"code":"PIT-404","msg":"pitaya/handler: game.testsvc.nonexistenthandler not found"}"#,
                ),
                (
                    "game.testsvc.testsendrpc",
                    r#"{"route":"connector.testremotesvc.rpctestreturnserror","data":"x"}"#,
                    r#"{"code":"PIT-433","msg":"test error","metadata":{"some":"meta"}}"#,
                ),
            ] {
                assert_eq!(client.ask(route, body).await, answer, "{route}");
            }
        }
        // An unknown type is `PIT-404` here, and `PIT-500` in Go Pitaya.
        let told = client.ask("attic.testsvc.testbind", "").await;
        let ours = r#"{"code":"PIT-404","msg":"pitaya/handler: attic.testsvc.testbind not found"}"#;
        let theirs = r#"{"code":"PIT-500","msg":"no servers available of this type"}"#;
        assert!([ours, theirs].contains(&&*told), "{told}");
    }
}

async fn a_backend_binds(cluster: &mut TestCluster) {
    for front in &cluster.fronts {
        for _ in 0..OFTEN {
            assert_eq!(front.client().await.ask("game.testsvc.testbind", "").await, "ack");
        }
    }
}

async fn a_backend_kicks(cluster: &mut TestCluster) {
    for front in &cluster.fronts {
        for _ in 0..4 {
            let mut client = front.client().await;
            assert_eq!(client.ask("game.testsvc.testbind", "").await, "ack");
            client.request("game.testsvc.testrequestkickme", "").await;
            client.kicked().await;
        }
    }
}

async fn a_bound_user_cannot_be_bound_again(cluster: &mut TestCluster) {
    for front in &cluster.fronts {
        let mut client = front.client().await;
        assert_eq!(client.ask("connector.testsvc.testbind", "").await, "ack");
        for _ in 0..OFTEN {
            assert_eq!(
                client.ask("game.testsvc.testbind", "").await,
                r#"{"code":"PIT-444","msg":"session is already bound to an uid"}"#
            );
        }
    }
}

async fn users_are_pushed_to_from_either_side(cluster: &mut TestCluster) {
    let mut users = Vec::new();
    for (n, front) in cluster.fronts.iter().enumerate() {
        let (mut client, uid) = (front.client().await, format!("pushed-{n}-{}", cluster.name));
        bind(&mut client, "connector.testsvc.testbindid", &uid).await;
        // A peer does not wait until the broker knows of the user. What it sends after that, here a message that it passes
        // on, the broker sees after that.
        assert_eq!(client.ask("game.testsvc.testrequestreceivereturnsraw", "here").await, "here");
        users.push((client, uid));
    }
    let uids = users.iter().map(|(_, uid)| format!("\"{uid}\"")).collect::<Vec<_>>().join(",");
    let body = format!(r#"{{"uids":[{uids}],"msg":"testing send to users"}}"#);
    for asks in &cluster.fronts {
        let mut asks = asks.client().await;
        for server in ["connector", "game", "game", "game", "game"] {
            asks.notify(&format!("{server}.testsvc.testsendtousers"), &body).await;
            for (client, uid) in &mut users {
                let told = ("route.sendtousers".into(), "testing send to users".into());
                assert_eq!(client.pushed().await, told, "{uid} from a {server}");
            }
        }
    }
}

async fn groups_reach_their_members(cluster: &mut TestCluster) {
    // The groups of these programs are each server's own, so that one that handles both is asked: a frontend.
    for front in &cluster.fronts {
        let (mut one, mut two) = (front.client().await, front.client().await);
        for client in [&mut one, &mut two] {
            assert_eq!(client.ask("connector.testsvc.testbind", "").await, "ack");
        }
        one.notify("connector.testsvc.testsendgroupmsgptr", r#"{"msg":"hellow"}"#).await;
        for client in [&mut one, &mut two] {
            assert_eq!(client.pushed().await, ("route.testptr".into(), r#"{"msg":"hellow"}"#.into()));
        }
    }
}

async fn one_session_a_user_on_one_frontend(cluster: &mut TestCluster) {
    for (n, front) in cluster.fronts.iter().enumerate() {
        let uid = format!("twice-{n}-{}", cluster.name);
        let (mut one, mut two) = (front.client().await, front.client().await);
        bind(&mut one, "game.testsvc.testbindid", &uid).await;
        bind(&mut two, "game.testsvc.testbindid", &uid).await;
        one.kicked().await;
        assert_eq!(two.ask("connector.testsvc.testrequestreceivereturnsraw", "here").await, "here");
    }
}

async fn one_session_a_user_on_all_frontends(cluster: &mut TestCluster) {
    for (n, first) in cluster.fronts.iter().enumerate() {
        for (m, second) in cluster.fronts.iter().enumerate() {
            let uid = format!("unique-{n}-{m}-{}", cluster.name);
            let (mut one, mut two) = (first.client().await, second.client().await);
            let mut news = match cluster.brokers.over_grpc() {
                false => Some(bindings(cluster).await),
                true => None,
            };
            bind(&mut one, "connector.testsvc.testbindid", &uid).await;
            // A peer does not say when it bound. News of its bind that are late would be taken for those of a newer one.
            match &mut news {
                Some(news) => heard(cluster, &uid, news).await,
                None => stored(cluster, &uid).await,
            }
            bind(&mut two, "connector.testsvc.testbindid", &uid).await;
            one.kicked().await;
            assert_eq!(two.ask("connector.testsvc.testrequestreceivereturnsraw", "here").await, "here");
        }
    }
}

/// Waits until the binding storage has a user.
async fn stored(cluster: &TestCluster, uid: &str) {
    let mut etcd = cluster.brokers.etcd().client().await;
    let key = format!("{}bindings/connector/{uid}", cluster.brokers.prefix());
    soon("a binding", async {
        while etcd.get(key.as_str(), None).await.expect("etcd answers").kvs().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// The news of binds.
async fn bindings(cluster: &TestCluster) -> (async_nats::Client, async_nats::Subscriber) {
    let nats = async_nats::connect(cluster.brokers.nats().url()).await.unwrap();
    let news = nats.subscribe("pitaya/connector/bindings").await.unwrap();
    round_trip(&nats).await;
    (nats, news)
}

/// Waits until every frontend has received a bind, so that later requests find it. A frontend that kicked its own older
/// session announces no bind, but here each user is new.
async fn heard(
    cluster: &TestCluster,
    uid: &str,
    (nats, news): &mut (async_nats::Client, async_nats::Subscriber),
) {
    soon(&format!("news of the bind of {uid}"), news.next()).await.unwrap();
    for (server_type, id) in cluster.servers().await {
        let own = Server::new("test", "test");
        let context = Metadata::new().for_call("test", "test", PATIENCE);
        let ask =
            Request::called("x.testremotesvc.rpctestnoargs", Bytes::new(), &own, &context).encode_to_vec();
        soon("an answer", nats.request(format!("pitaya/servers/{server_type}/{id}"), ask.into()))
            .await
            .unwrap();
    }
}

async fn servers_call_each_other(cluster: &mut TestCluster) {
    for front in &cluster.fronts {
        let mut client = front.client().await;
        for _ in 0..OFTEN {
            for (from, to) in [("connector", "game"), ("game", "connector")] {
                let call =
                    |remote: &str| format!(r#"{{"route":"{to}.testremotesvc.{remote}","data":"thisthis"}}"#);
                for (handler, remote, answer) in [
                    ("testsendrpc", "rpctestrawptrreturnsptr", r#"{"code":200,"msg":"got thisthis"}"#),
                    ("testsendrpc", "rpctestptrreturnsptr", r#"{"code":200,"msg":"got thisthis"}"#),
                    ("testsendrpcnoargs", "rpctestnoargs", r#"{"code":200,"msg":"got nothing"}"#),
                    (
                        "testsendrpc",
                        "rpctestreturnserror",
                        r#"{"code":"PIT-433","msg":"test error","metadata":{"some":"meta"}}"#,
                    ),
                    (
                        "testsendrpc",
                        "rpctestnotfound",
                        r#"{"code":"PIT-404","msg":"route not found","metadata":{"route":"testremotesvc.rpctestnotfound"}}"#,
                    ),
                ] {
                    let got = client.ask(&format!("{from}.testsvc.{handler}"), call(remote)).await;
                    assert_eq!(got, answer, "{from} to {to}: {remote}");
                }
            }
        }
    }
}

async fn a_call_of_its_own_type_is_refused(cluster: &mut TestCluster) {
    for front in &cluster.fronts {
        let mut client = front.client().await;
        for server in ["connector", "game"] {
            let body = format!(r#"{{"route":"{server}.testremotesvc.rpctestptrreturnsptr","data":"x"}}"#);
            let got = client.ask(&format!("{server}.testsvc.testsendrpc"), body).await;
            assert!(
                got.starts_with(
                    r#"{"code":"PIT-000","msg":"you are making a rpc that may be processed locally"#
                ),
                "{got}"
            );
        }
    }
}

async fn a_server_that_comes_is_seen_and_one_that_goes(cluster: &mut TestCluster) {
    let hello = "loft.testsvc.testrequestonlysessionreturnsptr";
    let none = r#"{"code":"PIT-500","msg":"no servers available of this type""#;
    let loft = cluster.brokers.server(&cluster.another, "loft", false).await;
    for front in &cluster.fronts {
        let mut client = front.client().await;
        seen(&mut client, hello, r#"{"code":200,"msg":"hello"}"#).await;
    }
    loft.stop().await;
    for front in &cluster.fronts {
        let mut client = front.client().await;
        seen(&mut client, hello, none).await;
    }
}

/// Asks until the answer begins with this, because a change does not reach every server at the same time.
async fn seen(client: &mut RawClient, route: &str, answer: &str) {
    let mut last = String::new();
    let seen = async {
        while !last.starts_with(answer) {
            last = client.ask(route, "").await;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, seen).await.is_ok(), "waited in vain for {answer}: it is {last}");
}

async fn garbage_harms_nobody(cluster: &mut TestCluster) {
    let mut etcd = cluster.brokers.etcd().client().await;
    let prefix = cluster.brokers.prefix().to_owned();
    let list = etcd_client::GetOptions::new().with_prefix().with_keys_only();
    let servers = etcd.get(format!("{prefix}servers/"), Some(list)).await.unwrap();
    if !cluster.brokers.over_grpc() {
        publish_garbage(cluster, &servers).await;
    }
    for (key, value) in [
        ("servers/connector/odd", "no json"),
        ("servers/connector/odd2", "[]"),
        ("servers/connector/odd3", ""),
        ("servers/connector", "{}"),
        ("servers/connector/a/b/c", "{}"),
    ] {
        etcd.put(format!("{prefix}{key}"), value, None).await.unwrap();
    }
    for front in &cluster.fronts {
        let mut client = front.client().await;
        for _ in 0..OFTEN {
            let said = client.ask("game.testsvc.testrequestreceivereturnsraw", "still here").await;
            assert_eq!(said, "still here");
        }
    }
}

/// Publishes garbage on every subject.
async fn publish_garbage(cluster: &TestCluster, servers: &etcd_client::GetResponse) {
    let nats = async_nats::connect(cluster.brokers.nats().url()).await.unwrap();
    let mut subjects =
        vec!["pitaya/connector/bindings".to_owned(), "pitaya/connector/user/nobody/push".to_owned()];
    for kv in servers.kvs() {
        let key = kv.key_str().unwrap().to_owned();
        let mut parts = key.rsplit('/');
        let (id, server_type) = (parts.next().unwrap(), parts.next().unwrap());
        subjects.push(format!("pitaya/servers/{server_type}/{id}"));
        subjects.push(format!("pitaya/{server_type}/bindings"));
    }
    // A context that is `null` is not among these, nor an entry `null`: they crash a server of Go Pitaya.
    for subject in subjects {
        for garbage in [&b""[..], b"\x08\x01", b"oh noes", b"\xff\xff\xff\xff", b"\x0a\x02\xff\xfe"] {
            nats.publish(subject.clone(), garbage.into()).await.unwrap();
        }
    }
    round_trip(&nats).await;
}
