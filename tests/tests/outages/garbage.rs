//! Invalid and hostile messages to servers, and invalid entries in their registry.

use bytes::Bytes;
use pitaya::cluster::protos::{BindMsg, Broadcast, KickMsg, Msg, Push, Request, Session};
use pitaya::cluster::response;
use pitaya_tests::raw_client::RawClient;
use pitaya_tests::{soon, until};
use prost::Message as _;

use crate::test_cluster::{Served, TestCluster};

/// The longest message of a broker by default.
const MOST: usize = 1 << 20;
const CONTEXT: &str = r#"{"peer.id":"x","peer.service":"y"}"#;

fn call(kind: i32, msg_type: i32, route: &str, metadata: impl Into<Bytes>) -> Request {
    let msg = Msg { id: 1, route: route.into(), data: "hi".into(), r#type: msg_type, ..Msg::default() };
    Request { r#type: kind, msg: Some(msg), metadata: metadata.into(), ..Request::default() }
}

/// Requests that cannot be read, each with its code.
fn unreadable(server_type: &str) -> Vec<(&'static str, Bytes, &'static str)> {
    let route = format!("{server_type}.{server_type}.raw");
    let with = |metadata: &str| Bytes::from(call(0, 0, &route, metadata.to_owned()).encode_to_vec());
    let deep = format!("{{\"a\":{}", "[".repeat(900_000));
    let plain = call(0, 0, &route, CONTEXT).encode_to_vec();
    let mut cases = vec![
        ("nothing", Bytes::new(), "PIT-400"),
        ("no msg", Request { msg: None, ..call(0, 0, &route, CONTEXT) }.encode_to_vec().into(), "PIT-400"),
        ("no metadata", with(""), "PIT-500"),
        ("metadata null", with("null"), "PIT-500"),
        ("metadata number", with("7"), "PIT-500"),
        ("metadata text", with("\"\""), "PIT-500"),
        ("metadata array", with("[]"), "PIT-500"),
        ("metadata no JSON", with("{\"a\":"), "PIT-500"),
        ("metadata deep", with(&deep), "PIT-500"),
        ("reqTimeout number", with(r#"{"reqTimeout":5}"#), "PIT-500"),
        ("reqTimeout null", with(r#"{"reqTimeout":null}"#), "PIT-500"),
        ("reqTimeout object", with(r#"{"reqTimeout":{}}"#), "PIT-500"),
        ("reqTimeout no duration", with(r#"{"reqTimeout":"soon"}"#), "PIT-500"),
        ("reqTimeout empty", with(r#"{"reqTimeout":""}"#), "PIT-500"),
        ("reqTimeout too long", with(r#"{"reqTimeout":"99999999999999999999h"}"#), "PIT-500"),
        ("an unknown rpc type", call(7, 0, &route, CONTEXT).encode_to_vec().into(), "PIT-400"),
        ("a negative rpc type", call(-1, 0, &route, CONTEXT).encode_to_vec().into(), "PIT-400"),
        ("no route", call(0, 0, "", CONTEXT).encode_to_vec().into(), "PIT-400"),
        ("a route of one part", call(1, 0, "raw", CONTEXT).encode_to_vec().into(), "PIT-400"),
        ("a route of four parts", call(0, 0, "a.b.c.d", CONTEXT).encode_to_vec().into(), "PIT-400"),
        ("cut", plain[..plain.len() - 3].to_vec().into(), "PIT-400"),
        ("as large as can be", vec![0xff; MOST].into(), "PIT-400"),
        ("as large as can be, of zeros", vec![0; MOST].into(), "PIT-400"),
    ];
    // Frontend id, as a text that is not UTF-8.
    let mut text = plain.clone();
    text.extend(b"\x22\x02\xff\xfe");
    cases.push(("text that is not UTF-8", text.into(), "PIT-400"));
    // A group that begins within a group, as often as there is room.
    cases.push(("deep Protobuf", vec![0x7b; MOST].into(), "PIT-400"));
    cases
}

/// Requests that can be read, and ask for what cannot be; each with its code, or none if it is served.
fn foolish(server_type: &str) -> Vec<(&'static str, Bytes, Option<&'static str>)> {
    let route = format!("{server_type}.{server_type}.raw");
    let plain = |metadata: &str| call(0, 0, &route, metadata.to_owned());
    let session = |data: Vec<u8>| {
        let session = Session { id: -1, uid: "a.>.b".into(), data: data.into() };
        Request { session: Some(session), ..plain(CONTEXT) }.encode_to_vec().into()
    };
    let sys = |route: &str, data: Vec<u8>| {
        let mut request = call(1, 0, route, CONTEXT);
        request.msg.as_mut().unwrap().data = data.into();
        request.encode_to_vec().into()
    };
    let bind = |id, uid: &str| Session { id, uid: uid.into(), data: Bytes::new() }.encode_to_vec();
    let mut large = plain(CONTEXT);
    let room = MOST - large.encoded_len() - 64;
    large.msg.as_mut().unwrap().data = vec![0xff; room].into();
    vec![
        ("time that is over", plain(r#"{"reqTimeout":"0"}"#).encode_to_vec().into(), Some("PIT-500")),
        ("negative time", plain(r#"{"reqTimeout":"-5s"}"#).encode_to_vec().into(), Some("PIT-500")),
        ("an unknown msg type", call(0, 99, &route, CONTEXT).encode_to_vec().into(), None),
        ("a negative msg type", call(0, -1, &route, CONTEXT).encode_to_vec().into(), None),
        ("no session", plain(CONTEXT).encode_to_vec().into(), None),
        ("session data null", session(b"null".to_vec()), None),
        ("session data array", session(b"[]".to_vec()), Some("PIT-500")),
        ("session data no UTF-8", session(b"\xff\xfe".to_vec()), Some("PIT-500")),
        ("session data deep", session([b"{\"a\":", &[b'['; 900_000][..]].concat()), Some("PIT-500")),
        ("a large body", large.encode_to_vec().into(), None),
        ("no such handler", call(0, 0, "x.y.z", CONTEXT).encode_to_vec().into(), Some("PIT-404")),
        ("no such remote", call(1, 0, "x.y.z", CONTEXT).encode_to_vec().into(), Some("PIT-404")),
        ("bind nobody", sys("sys.bindsession", bind(0, "")), Some("PIT-000")),
        ("bind a negative number", sys("sys.bindsession", bind(i64::MIN, "ann")), Some("PIT-000")),
        ("bind what is none", sys("sys.bindsession", b"\xff".to_vec()), Some("PIT-400")),
        ("data of nobody", sys("sys.pushsession", bind(i64::MAX, "ann")), Some("PIT-000")),
        (
            "kick nobody",
            sys("sys.kick", KickMsg { user_id: "a.*.b".into() }.encode_to_vec()),
            Some("PIT-000"),
        ),
        ("kick what is none", sys("sys.kick", b"\x0a\x02\xff\xfe".to_vec()), Some("PIT-400")),
        ("no such sys", sys("sys.shutdown", Vec::new()), Some("PIT-404")),
    ]
}

async fn answer(nats: &async_nats::Client, subject: &str, body: &Bytes) -> Result<Bytes, String> {
    let asked = nats.request(subject.to_owned(), body.clone());
    let answer = soon("an answer", asked).await.unwrap();
    response::read(answer.payload).map_err(|error| error.code().to_owned())
}

async fn healthy(cluster: &TestCluster, client: &mut RawClient) {
    for route in ["gate.gate.raw", "hall.hall.raw"] {
        assert_eq!(client.ask(route, "still here").await, "still here");
    }
    assert_eq!(cluster.gate.client().await.ask("hall.hall.raw", "hello").await, "hello");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server and etcd"]
async fn garbage_requests_are_answered_or_counted() {
    let cluster = TestCluster::start().await;
    let nats = async_nats::connect(cluster.brokers.nats().url()).await.unwrap();
    let mut client = cluster.gate.client().await;
    for server in [&cluster.gate, &cluster.hall] {
        let (subject, server_type) = (server.subject(), server.app.app().server_type().to_owned());
        let cases = unreadable(&server_type);
        for (n, (name, body, code)) in (1u32..).zip(&cases) {
            assert_eq!(answer(&nats, &subject, body).await, Err((*code).to_owned()), "{server_type}: {name}");
            // No caller waits for the answer to this one.
            nats.publish(subject.clone(), body.clone()).await.unwrap();
            nats.flush().await.unwrap();
            until(name, || server.unreadable("request") == 2 * n).await;
        }
        println!("{server_type:<5} {} requests that cannot be read: each answered, and counted", cases.len());
        let cases = foolish(&server_type);
        for (name, body, code) in &cases {
            let said = answer(&nats, &subject, body).await;
            assert_eq!(said.err().as_deref(), *code, "{server_type}: {name}");
            nats.publish(subject.clone(), body.clone()).await.unwrap();
        }
        println!("{server_type:<5} {} requests that cannot be served: each answered", cases.len());
        healthy(&cluster, &mut client).await;
    }
    cluster.stop().await;
}

async fn user(cluster: &TestCluster, uid: &str) -> RawClient {
    let mut client = cluster.gate.client().await;
    let uid = format!(r#"{{"text":"{uid}"}}"#);
    assert_eq!(client.ask("gate.gate.bind", &uid).await, uid);
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server and etcd"]
async fn garbage_on_user_subjects_is_counted() {
    let cluster = TestCluster::start().await;
    let nats = async_nats::connect(cluster.brokers.nats().url()).await.unwrap();
    let TestCluster { gate, .. } = &cluster;
    let mut ann = user(&cluster, "ann").await;
    let subjects = [
        ("push", "pitaya/gate/user/ann/push".to_owned()),
        ("kick", "pitaya/gate/user/ann/kick".to_owned()),
        ("binding", "pitaya/gate/bindings".to_owned()),
        ("broadcast", format!("pitaya/gate/broadcast/{}", gate.app.app().server_id())),
    ];
    let broken = [
        &b"oh noes"[..],
        b"\xff\xff\xff\xff",
        b"\x0a\x02\xff\xfe",
        b"\x0a",
        &[0xff; MOST],
        &[0; MOST],
        &[0x7b; MOST],
    ];
    for (kind, subject) in &subjects {
        for (n, body) in (1u32..).zip(broken) {
            let body = Bytes::copy_from_slice(body);
            let answered = soon("an answer", nats.request(subject.clone(), body.clone())).await;
            answered.unwrap_or_else(|error| panic!("{kind} {n}: {error}"));
            nats.publish(subject.clone(), body).await.unwrap();
            nats.flush().await.unwrap();
            until(kind, || gate.unreadable(kind) == 2 * n).await;
        }
        println!("{kind:<10} {} messages that cannot be read: each counted", broken.len());
    }
    // Valid messages for a user without a session.
    let nobody = [
        ("pitaya/gate/user/ann/push", Vec::new()),
        (
            "pitaya/gate/user/ann/push",
            Push { route: "r".repeat(100_000), uid: "ann".into(), data: "x".into(), raw: false }
                .encode_to_vec(),
        ),
        (
            "pitaya/gate/user/ann/push",
            Push { route: "r".into(), uid: "a.>.b".into(), data: "x".into(), raw: false }.encode_to_vec(),
        ),
        ("pitaya/gate/user/ann/kick", Vec::new()),
        ("pitaya/gate/user/ann/kick", KickMsg { user_id: "bob".into() }.encode_to_vec()),
        ("pitaya/gate/bindings", Vec::new()),
        ("pitaya/gate/bindings", bound("bob", "x", 0)),
        ("pitaya/gate/bindings", bound("ann", "x", i64::MIN)),
        ("pitaya/gate/bindings", bound("", "", i64::MAX)),
        (&*subjects[3].1, Vec::new()),
        (
            &*subjects[3].1,
            Broadcast { route: "r".into(), uids: vec![String::new(), "a.>.b".into()], data: "x".into() }
                .encode_to_vec(),
        ),
    ];
    for (subject, body) in nobody {
        soon("an answer", nats.request(subject.to_owned(), body.into())).await.unwrap();
    }
    healthy(&cluster, &mut ann).await;
    cluster.stop().await;
}

fn bound(uid: &str, fid: &str, bound_at: i64) -> Vec<u8> {
    BindMsg { uid: uid.into(), fid: fid.into(), bound_at }.encode_to_vec()
}

fn halls(served: &Served) -> usize {
    served.app.app().servers().map_or(0, |servers| servers.view().of_type("hall").len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server and etcd"]
async fn invalid_registry_entries_are_skipped() {
    let cluster = TestCluster::start().await;
    let mut etcd = cluster.brokers.etcd().client().await;
    let deep = format!("{{\"x\":{}", "[".repeat(500_000));
    let large = format!(r#"{{"id":"h15","type":"hall","hostname":"{}""#, "x".repeat(1_000_000));
    let entries: &[(&str, &[u8])] = &[
        ("hall/h1", b"null"),
        ("hall/h2", b""),
        ("hall/h3", b"\"\""),
        ("hall/h4", b"7"),
        ("hall/h5", b"[]"),
        ("hall/h6", b"{}"),
        ("hall/h7", b"{\"id\":\"h7\""),
        ("hall/h8", br#"{"id":"other","type":"hall"}"#),
        ("hall/h9", br#"{"id":"h9","type":"gate"}"#),
        ("hall/h10", br#"{"id":7,"type":"hall"}"#),
        ("hall/h11", br#"{"id":"h11","type":"hall","metadata":7}"#),
        ("hall/h12", br#"{"id":"h12","type":"hall","metadata":{"a":{}}}"#),
        ("hall/h13", b"\xff\xfe\xfd"),
        ("hall/h14", deep.as_bytes()),
        ("hall/h15", large.as_bytes()),
        ("", br#"{"id":"a","type":"hall"}"#),
        ("hall", br#"{"id":"a","type":"hall"}"#),
        ("hall/", br#"{"id":"","type":"hall"}"#),
        ("/a", br#"{"id":"a","type":""}"#),
        ("hall/a/b", br#"{"id":"a/b","type":"hall"}"#),
        ("hall/a.*.b", br#"{"id":"a.*.b","type":"hall"}"#),
        ("a.>.b/a", br#"{"id":"a","type":"a.>.b"}"#),
        ("hall/a b", br#"{"id":"a b","type":"hall"}"#),
    ];
    let mut client = cluster.gate.client().await;
    let servers = format!("{}servers/", cluster.brokers.prefix());
    for (key, value) in entries {
        etcd.put(format!("{servers}{key}"), *value, None).await.unwrap();
    }
    etcd.put([servers.as_bytes(), b"hall/\xff"].concat(), "{}", None).await.unwrap();
    // The running servers see a server that starts after all of that, and it sees them.
    let third = cluster.another_hall().await;
    until("the new one is known", || [&cluster.gate, &cluster.hall, &third].iter().all(|it| halls(it) == 2))
        .await;
    for _ in 0..50 {
        healthy(&cluster, &mut client).await;
    }
    for (key, _) in entries {
        etcd.delete(format!("{servers}{key}"), None).await.unwrap();
    }
    third.app.stop().await;
    until("it is gone", || halls(&cluster.gate) == 1).await;
    println!("{} entries that are no servers: skipped", entries.len() + 1);
    healthy(&cluster, &mut client).await;
    cluster.stop().await;
}
