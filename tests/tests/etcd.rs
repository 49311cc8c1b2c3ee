//! Discovery over a real etcd. `etcd_outages` tests the loss of etcd.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::{Client, Permission, PermissionType, PutOptions};
use pitaya::cluster::{Discovery, EtcdDiscovery, EtcdOptions, Server};
use pitaya_tests::certificate::Certificate;
use pitaya_tests::etcd::{Etcd, prefix};
use pitaya_tests::node::Node;
use pitaya_tests::{soon, until};

async fn value(client: &Client, key: &str) -> Option<Vec<u8>> {
    let found = client.kv_client().get(key, None).await.unwrap();
    found.kvs().first().map(|kv| kv.value().to_vec())
}

async fn lease(client: &Client, key: &str) -> i64 {
    client.kv_client().get(key, None).await.unwrap().kvs().first().map_or(0, |kv| kv.lease())
}

/// Under a lease of sixty seconds.
#[tokio::test]
#[ignore = "needs etcd"]
async fn registration_has_the_bytes_of_go_pitaya() {
    let etcd = Etcd::shared().await;
    let (client, prefix) = (etcd.client().await, prefix());
    let mut own = Server::new("connector", "conn-1").frontend(true);
    own.hostname = "host-1".into();
    let node = Node::join(etcd.options(&prefix), own.clone()).await;

    let key = format!("{prefix}servers/connector/conn-1");
    let expected = br#"{"id":"conn-1","type":"connector","metadata":{},"frontend":true,"hostname":"host-1"}"#;
    assert_eq!(value(&client, &key).await.unwrap(), expected);
    let found = client.lease_client().time_to_live(lease(&client, &key).await, None).await.unwrap();
    assert_eq!(found.granted_ttl(), 60);
    assert_eq!(client.kv_client().get(&*prefix, all()).await.unwrap().count(), 1, "nothing else is written");

    own.metadata = BTreeMap::from([("region".into(), "<eu>".into()), ("draining".into(), "true".into())]);
    let before = lease(&client, &key).await;
    node.discovery.announce(Arc::new(own)).await.unwrap();
    let expected = br#"{"id":"conn-1","type":"connector","metadata":{"draining":"true","region":"\u003ceu\u003e"},"frontend":true,"hostname":"host-1"}"#;
    assert_eq!(value(&client, &key).await.unwrap(), expected);
    assert_eq!(lease(&client, &key).await, before);
    assert!(node.servers.get("conn-1").unwrap().is_draining());

    node.discovery.close().await;
    assert_eq!(value(&client, &key).await, None);
}

fn all() -> Option<etcd_client::GetOptions> {
    Some(etcd_client::GetOptions::new().with_prefix())
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn two_servers_see_each_other_come_change_and_go() {
    let etcd = Etcd::shared().await;
    let options = etcd.options(&prefix());
    let a = Node::join(options.clone(), Server::new("room", "a")).await;
    assert_eq!(a.sees(), ["a"]);
    let b = Node::join(options.clone(), Server::new("hall", "b")).await;
    assert_eq!(b.sees(), ["a", "b"], "the list is whole when joining returns");
    until("b comes", || a.sees() == ["a", "b"]).await;

    let changed = Server::new("hall", "b").with_metadata("draining", "true");
    b.discovery.announce(Arc::new(changed)).await.unwrap();
    until("b drains", || a.servers.get("b").is_some_and(|b| b.is_draining())).await;

    b.discovery.leave().await;
    assert_eq!(a.sees(), ["a"], "leaving returns when the others have seen it");
    let c = Node::join(options, Server::new("room", "c")).await;
    until("c comes", || a.sees() == ["a", "c"] && b.sees() == ["a", "c"]).await;
    assert_eq!(a.heard(), ["+a", "+b", "~b", "-b", "+c"]);
    for node in [&a, &b, &c] {
        soon("the end", node.discovery.close()).await;
    }
}

/// Both happen once.
#[tokio::test]
#[ignore = "needs etcd"]
async fn leave_and_close_report_whether_etcd_answered() {
    let etcd = Etcd::shared().await;
    let options = EtcdOptions { shutdown_delay: Duration::ZERO, ..etcd.options(&prefix()) };
    let never = EtcdDiscovery::new(options.clone());
    assert!(!never.is_ready().await);
    never.leave().await;
    never.close().await;
    assert!(never.join(Arc::new(Server::new("room", "a")), Arc::default()).await.is_err());

    let node = Node::join(options, Server::new("room", "a")).await;
    assert!(node.discovery.is_ready().await);
    let again = node.discovery.join(Arc::new(Server::new("room", "a")), Arc::default()).await;
    assert!(again.is_err(), "one joins once");
    assert!(node.discovery.announce(Arc::new(Server::new("room", "b"))).await.is_err(), "and as one server");
    soon("both", async { tokio::join!(node.discovery.leave(), node.discovery.leave()) }).await;
    assert!(node.discovery.is_ready().await, "the list is still kept");
    assert!(node.discovery.announce(Arc::new(Server::new("room", "a"))).await.is_err());
    soon("both", async { tokio::join!(node.discovery.close(), node.discovery.close()) }).await;
    node.discovery.leave().await;
    node.discovery.close().await;
    assert!(!node.discovery.is_ready().await);
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn dropped_discovery_ends_and_its_entry_expires() {
    let etcd = Etcd::shared().await;
    let options = EtcdOptions { heartbeat_ttl: Duration::from_secs(2), ..etcd.options(&prefix()) };
    let a = Node::join(options.clone(), Server::new("room", "a")).await;
    let b = Node::join(options, Server::new("room", "b")).await;
    until("b comes", || a.sees() == ["a", "b"]).await;
    drop(b);
    until("b runs out", || a.sees() == ["a"]).await;
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn a_lease_that_is_lost_is_taken_anew() {
    let etcd = Etcd::shared().await;
    let (client, prefix) = (etcd.client().await, prefix());
    let a = Node::join(etcd.options(&prefix), Server::new("room", "a")).await;
    let b = Node::join(etcd.options(&prefix), Server::new("room", "b")).await;
    let key = format!("{prefix}servers/room/b");
    let lost = lease(&client, &key).await;
    let _ = a.heard();
    client.lease_client().revoke(lost).await.unwrap();
    // Its time is sixty seconds: that it is back within twenty is no keep-alive, but the deletion that was seen.
    until("b comes back", || a.heard_last() == "+b").await;
    assert_ne!(lease(&client, &key).await, lost);
    assert_eq!(b.discovery.registrations(), 2);
    assert_eq!(b.heard(), ["+a", "+b"], "a server sees itself");
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn a_key_that_somebody_deletes_is_put_again() {
    let etcd = Etcd::shared().await;
    let (client, prefix) = (etcd.client().await, prefix());
    let a = Node::join(etcd.options(&prefix), Server::new("room", "a")).await;
    let key = format!("{prefix}servers/room/a");
    client.kv_client().delete(&*key, None).await.unwrap();
    until("it is put again", || a.discovery.registrations() == 2).await;
    assert!(value(&client, &key).await.is_some());
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn invalid_entry_is_counted_and_hides_no_server() {
    let etcd = Etcd::shared().await;
    let (client, prefix) = (etcd.client().await, prefix());
    let good = Server::new("room", "good").to_json();
    let foreign_peers: [(&str, &[u8]); 9] = [
        ("servers/room/null", b"null"),
        ("servers/room/empty", b""),
        ("servers/room/quotes", b"\"\""),
        ("servers/room/half", b"{\"id\":\"half\""),
        ("servers/room/list", b"[1,2]"),
        ("servers/room/bytes", b"\xff\xfe{}"),
        ("servers/room/other", &good),
        ("servers/room", &good),
        ("servers/room/good/more", &good),
    ];
    let put = async |number: usize| {
        let (key, value) = foreign_peers[number];
        client.kv_client().put(format!("{prefix}{key}"), value, None).await.unwrap();
    };
    for number in 0..5 {
        put(number).await;
    }
    client.kv_client().put(format!("{prefix}servers/room/good"), &*good, None).await.unwrap();
    let a = Node::join(etcd.options(&prefix), Server::new("room", "a")).await;
    assert_eq!((a.sees(), a.discovery.skipped()), (vec!["a".to_owned(), "good".to_owned()], 5));
    for number in 5..9 {
        put(number).await;
    }
    // What the C++ library writes without metadata.
    let foreign = br#"{"type":"room","id":"foreign","frontend":false,"hostname":"","metadata":""}"#;
    client.kv_client().put(format!("{prefix}servers/room/foreign"), &foreign[..], None).await.unwrap();
    until("the later one is seen", || a.sees() == ["a", "foreign", "good"]).await;
    assert_eq!(a.discovery.skipped(), 9);
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn blacklisted_types_are_hidden_except_own() {
    let etcd = Etcd::shared().await;
    let prefix = prefix();
    let early = Node::join(etcd.options(&prefix), Server::new("hall", "early")).await;
    let blacklist = vec!["hall".to_owned(), "room".to_owned()];
    let a = Node::join(EtcdOptions { blacklist, ..etcd.options(&prefix) }, Server::new("room", "a")).await;
    let _late = Node::join(etcd.options(&prefix), Server::new("room", "late")).await;
    let _shop = Node::join(etcd.options(&prefix), Server::new("shop", "shop")).await;
    until("all have come", || early.sees() == ["a", "early", "late", "shop"]).await;
    until("the shop comes", || a.sees() == ["a", "shop"]).await;
    assert_eq!(a.heard(), ["+a", "+shop"]);
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn full_read_corrects_a_wrong_view() {
    let etcd = Etcd::shared().await;
    let options = EtcdOptions { sync_interval: Duration::from_millis(50), ..etcd.options(&prefix()) };
    let a = Node::join(options.clone(), Server::new("room", "a")).await;
    let _b = Node::join(options, Server::new("room", "b")).await;
    until("b comes", || a.sees() == ["a", "b"]).await;
    a.servers.remove("room", "b");
    a.servers.put(Server::new("room", "ghost"));
    until("the list is true again", || a.sees() == ["a", "b"]).await;
}

/// It never prints the password.
#[tokio::test]
async fn failed_join_says_where_why_and_what_to_do() {
    let join = async |options: EtcdOptions| {
        let discovery = EtcdDiscovery::new(options);
        let joined = discovery.join(Arc::new(Server::new("room", "a")), Arc::default());
        soon("the error", joined).await.unwrap_err().to_string()
    };
    let options = EtcdOptions {
        endpoints: vec!["http://bob:hunter2@127.0.0.1:1".into()],
        user: "bob".into(),
        pass: "hunter2".into(),
        max_retries: 1,
        ..EtcdOptions::default()
    };
    let error = join(options.clone()).await;
    assert_eq!(
        error,
        "PIT-503: etcd at http://***@127.0.0.1:1 cannot be reached: Connection refused (os error 111); is it running \
         there, and are the endpoints (`pitaya.cluster.sd.etcd.endpoints`) right?"
    );
    let error = join(EtcdOptions { endpoints: vec!["http://not a host".into()], ..options.clone() }).await;
    assert!(error.contains("`http://not a host`") && error.contains("`host:port`"), "{error}");
    let error = join(EtcdOptions { endpoints: Vec::new(), ..options.clone() }).await;
    assert!(error.contains("has no endpoints"), "{error}");
    let ca_file = Some("/nowhere/ca.pem".into());
    let error = join(EtcdOptions { endpoints: vec!["a:1".into()], ca_file, ..options }).await;
    assert!(error.contains("/nowhere/ca.pem") && error.contains("https://a:1"), "{error}");
}

/// With authentication on.
#[tokio::test]
#[ignore = "needs etcd"]
async fn only_the_right_user_joins() {
    let etcd = Etcd::start().await;
    let client = etcd.client().await;
    let mut auth = client.auth_client();
    for user in ["root", "bob"] {
        auth.user_add(user, "secret", None).await.unwrap();
        auth.role_add(user).await.unwrap();
        auth.user_grant_role(user, user).await.unwrap();
    }
    let may = Permission::new(PermissionType::Readwrite, "pitaya/servers/").with_prefix();
    auth.role_grant_permission("bob", may).await.unwrap();
    let with = |user: &str, pass: &str| EtcdOptions {
        user: user.into(),
        pass: pass.into(),
        shutdown_delay: Duration::ZERO,
        ..etcd.options("pitaya/")
    };

    // Before: a user is no error where etcd demands none.
    let early = Node::join(with("bob", "secret"), Server::new("room", "early")).await;
    early.discovery.close().await;
    auth.auth_enable().await.unwrap();

    for (user, pass, refused) in
        [("bob", "hunter2", "`bob`"), ("eve", "hunter2", "`eve`"), ("bob", "", "without")]
    {
        let discovery = EtcdDiscovery::new(with(user, pass));
        let joined = discovery.join(Arc::new(Server::new("room", "a")), Arc::default());
        let error = soon("the refusal, which is not tried again", joined).await.unwrap_err().to_string();
        assert!(error.contains(&etcd.url()) && error.contains(refused), "{error}");
        assert!(error.contains("pitaya.cluster.sd.etcd.user") && !error.contains("hunter2"), "{error}");
        assert_eq!(discovery.failures(), 1);
    }
    let elsewhere = EtcdDiscovery::new(EtcdOptions { prefix: "other/".into(), ..with("bob", "secret") });
    let error =
        elsewhere.join(Arc::new(Server::new("room", "a")), Arc::default()).await.unwrap_err().to_string();
    assert!(error.contains("permission denied") && error.contains("`other/`"), "{error}");

    let a = Node::join(with("bob", "secret"), Server::new("room", "a")).await;
    let b = Node::join(with("bob", "secret"), Server::new("room", "b")).await;
    until("b comes", || a.sees() == ["a", "b"]).await;
    assert!(a.discovery.is_ready().await);
    b.discovery.announce(Arc::new(Server::new("room", "b"))).await.unwrap();
    b.discovery.leave().await;
    until("b goes", || a.sees() == ["a"]).await;
    // etcd loses every token at a restart; clients ask for new ones.
    etcd.restart().await;
    let c = Node::join(with("bob", "secret"), Server::new("room", "c")).await;
    until("c comes", || a.sees() == ["a", "c"]).await;
    a.discovery.close().await;
    until("a goes", || c.sees() == ["c"]).await;
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn a_server_joins_by_a_port_alone() {
    let etcd = Etcd::shared().await;
    let options = etcd.options(&prefix());
    let alone = EtcdOptions { endpoints: vec![format!(":{}", etcd.port())], ..options.clone() };
    let a = Node::join(alone, Server::new("room", "a")).await;
    let b = Node::join(options, Server::new("room", "b")).await;
    until("they see each other", || a.sees() == ["a", "b"] && b.sees() == ["a", "b"]).await;
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn etcd_with_tls_needs_a_trusted_certificate() {
    let made = Certificate::of(&["127.0.0.1"]);
    let (cert, key) = (made.cert_file(), made.key_file());
    let etcd = Etcd::start_tls(&cert, &key).await;
    let endpoints = vec![format!("127.0.0.1:{}", etcd.port())];
    let trusting = EtcdOptions { endpoints, ca_file: Some(cert), ..etcd.options("pitaya/") };
    let a = Node::join(trusting.clone(), Server::new("room", "a")).await;
    let b = Node::join(trusting, Server::new("room", "b")).await;
    until("they see each other", || a.sees() == ["a", "b"] && b.sees() == ["a", "b"]).await;

    let discovery = EtcdDiscovery::new(EtcdOptions { max_retries: 0, ..etcd.options("pitaya/") });
    let joined = discovery.join(Arc::new(Server::new("room", "c")), Arc::default());
    let error = soon("the error", joined).await.unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn leftover_entry_of_own_key_is_taken_over() {
    let etcd = Etcd::shared().await;
    let (client, prefix) = (etcd.client().await, prefix());
    let key = format!("{prefix}servers/room/a");
    let old = client.lease_client().grant(60, None).await.unwrap().id();
    let crashed = Server::new("room", "a").to_json();
    client.kv_client().put(&*key, crashed, Some(PutOptions::new().with_lease(old))).await.unwrap();
    let a = Node::join(etcd.options(&prefix), Server::new("room", "a")).await;
    client.lease_client().revoke(old).await.unwrap();
    assert!(value(&client, &key).await.is_some());
    assert_eq!(a.discovery.registrations(), 1);
}
