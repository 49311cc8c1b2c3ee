//! Binding storage in etcd: as Go Pitaya reads and writes it, and when etcd is away.

use std::time::{Duration, Instant};

use etcd_client::{GetOptions, PutOptions};
use pitaya::acceptor::Tcp;
use pitaya::app::Running;
use pitaya::binding::{BindingStorage, EtcdBindingOptions, EtcdBindingStorage, Kept, MemoryBindingStorage};
use pitaya::cluster::{Address, Server, Transport as _};
use pitaya::prelude::*;
use pitaya_tests::cluster::MemoryCluster;
use pitaya_tests::etcd::{self, Etcd};
use pitaya_tests::raw_client::RawClient;
use pitaya_tests::server::{Text, config};
use pitaya_tests::tcp_proxy::TcpProxy;
use pitaya_tests::transport::Peer;
use pitaya_tests::{PATIENCE, until};
use tokio::time::{sleep, timeout};

#[derive(Component)]
struct Door;

#[handler(server = "door")]
impl Door {
    pub async fn bind(&self, session: Session, msg: Text) -> Result<()> {
        session.bind(&msg.text).await
    }
}

#[derive(Component)]
struct Hall;

#[remote(server = "hall")]
impl Hall {
    pub async fn nothing(&self) -> Result<()> {
        Ok(())
    }
}

/// Servers of one cluster that use one etcd.
struct Cluster {
    servers: MemoryCluster,
    options: EtcdBindingOptions,
}

impl Cluster {
    fn new(endpoint: String, prefix: &str) -> Self {
        let options = EtcdBindingOptions {
            endpoints: vec![endpoint],
            prefix: prefix.to_owned(),
            dial_timeout: Duration::from_secs(1),
            transaction_timeout: Duration::from_secs(2),
            ..EtcdBindingOptions::default()
        };
        Self { servers: MemoryCluster::default(), options }
    }

    async fn door(&self, id: &str) -> Running {
        self.server("door", id, storage(&self.options))
            .acceptor(Tcp::new("127.0.0.1:0"))
            .start()
            .await
            .unwrap()
    }

    fn server(&self, server_type: &str, id: &str, storage: impl BindingStorage) -> pitaya::app::Builder {
        self.servers.server(server_type, id).binding_storage(storage)
    }
}

fn storage(options: &EtcdBindingOptions) -> EtcdBindingStorage {
    EtcdBindingStorage::new(options.clone())
}

async fn bound(door: &Running, uid: &str) -> RawClient {
    let mut client = RawClient::of(door).await;
    client.ask("door.bind", format!(r#"{{"text":"{uid}"}}"#)).await;
    client
}

/// The frontends of all users, as etcd has them.
async fn all(etcd: &Etcd, prefix: &str) -> Vec<(String, String)> {
    let key = format!("{prefix}bindings/door/");
    let mut client = etcd.client().await;
    let got = client.get(&*key, Some(GetOptions::new().with_prefix())).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    got.kvs().iter().map(|kv| (text(kv.key()).replace(&key, ""), text(kv.value()))).collect()
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(uid, id)| ((*uid).to_owned(), (*id).to_owned())).collect()
}

/// Waits until etcd has exactly these users.
async fn has(etcd: &Etcd, prefix: &str, wanted: &[(&str, &str)]) {
    let waiting = timeout(PATIENCE, async {
        while all(etcd, prefix).await != pairs(wanted) {
            sleep(Duration::from_millis(10)).await;
        }
    });
    if waiting.await.is_err() {
        panic!("{:?} and not {wanted:?}", all(etcd, prefix).await);
    }
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn binding_keys_are_those_of_go_pitaya() {
    let (etcd, prefix) = (Etcd::shared().await, etcd::prefix());
    let cluster = Cluster::new(etcd.url(), &prefix);
    let storage = storage(&cluster.options);
    let (one, mut client) = (Server::new("connector", "connector-1"), etcd.client().await);
    assert_eq!(storage.keep(&one).await.unwrap(), Kept::Nothing);
    let put = storage.put(&one, "alice").await.unwrap();
    assert_eq!(put.previous, None);
    let key = format!("{prefix}bindings/connector/alice");
    let got = client.get(&*key, None).await.unwrap();
    let kv = &got.kvs()[0];
    assert_eq!((kv.value_str().unwrap(), kv.mod_revision()), ("connector-1", put.revision));
    let lease = client.lease_client().time_to_live(kv.lease(), None).await.unwrap();
    assert_eq!(lease.granted_ttl(), 5 * 3600);
    // A Go frontend takes the user over.
    client.put(&*key, "go-1", None).await.unwrap();
    assert_eq!(storage.find("connector", "alice").await.unwrap().as_deref(), Some("go-1"));
    storage.remove(&one, "alice", Some(put.revision)).await.unwrap();
    assert_eq!(storage.find("connector", "alice").await.unwrap().as_deref(), Some("go-1"));
    assert_eq!(storage.put(&one, "alice").await.unwrap().previous.as_deref(), Some("go-1"));
    assert_eq!(storage.find("connector", "nobody").await.unwrap(), None);
    assert_eq!(storage.keep(&one).await.unwrap(), Kept::All);
    storage.close(&one).await.unwrap();
    assert_eq!(storage.find("connector", "alice").await.unwrap(), None, "the lease is revoked");
}

/// A removal that etcd carries out late, after the user has bound again.
#[tokio::test]
#[ignore = "needs etcd"]
async fn late_removal_keeps_a_newer_bind() {
    let (etcd, prefix) = (Etcd::shared().await, etcd::prefix());
    let storage = storage(&Cluster::new(etcd.url(), &prefix).options);
    let own = Server::new("door", "door-1");
    storage.keep(&own).await.unwrap();
    let old = storage.put(&own, "ann").await.unwrap();
    let new = storage.put(&own, "ann").await.unwrap();
    assert!(new.revision > old.revision);
    storage.remove(&own, "ann", Some(old.revision)).await.unwrap();
    has(etcd, &prefix, &[("ann", "door-1")]).await;
    storage.remove(&own, "ann", Some(new.revision)).await.unwrap();
    has(etcd, &prefix, &[]).await;
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn binding_follows_the_user() {
    let (etcd, prefix) = (Etcd::shared().await, etcd::prefix());
    let cluster = Cluster::new(etcd.url(), &prefix);
    let (one, two) = (cluster.door("door-1").await, cluster.door("door-2").await);
    let hall = cluster.server("hall", "hall-1", storage(&cluster.options)).backend().start().await.unwrap();
    let find =
        async |uid: &str| hall.app().user_frontend("door", uid).await.unwrap().map(|id| id.to_string());
    let (mut ann, bob) = (bound(&one, "ann").await, bound(&one, "bob").await);
    // It is stored when the bind is answered.
    assert_eq!(all(etcd, &prefix).await, pairs(&[("ann", "door-1"), ("bob", "door-1")]));
    assert_eq!(find("ann").await.as_deref(), Some("door-1"));
    let again = bound(&two, "ann").await;
    assert_eq!(find("ann").await.as_deref(), Some("door-2"));
    ann.closed().await;
    until("the first session to end", || one.app().sessions().by_uid("ann").is_none()).await;
    drop(bob);
    has(etcd, &prefix, &[("ann", "door-2")]).await;
    assert_eq!(find("bob").await, None);
    drop(again);
    has(etcd, &prefix, &[]).await;
    let _eve = bound(&one, "eve").await;
    // A start and a stop of another one leave it alone.
    two.stop().await;
    has(etcd, &prefix, &[("eve", "door-1")]).await;
    one.stop().await;
    has(etcd, &prefix, &[]).await;
    hall.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs etcd"]
async fn concurrent_binds_store_the_one_that_stays() {
    let (etcd, prefix) = (Etcd::shared().await, etcd::prefix());
    let cluster = Cluster::new(etcd.url(), &prefix);
    let (one, two) = (cluster.door("door-1").await, cluster.door("door-2").await);
    let mut clients = Vec::new();
    for n in 0..100 {
        let (uid, body) = (format!("user-{n:02}"), format!(r#"{{"text":"user-{n:02}"}}"#));
        let mut first = RawClient::of(&one).await;
        let mut second = RawClient::of(&two).await;
        tokio::join!(first.request("door.bind", &body), second.request("door.bind", &body));
        let stays = || [&one, &two].map(|door| door.app().sessions().by_uid(&uid).is_some());
        tokio::join!(first.next(), second.next());
        until("one session to stay", || stays() == [true, false] || stays() == [false, true]).await;
        let id = if stays()[0] { "door-1" } else { "door-2" };
        clients.push((uid, id, first, second));
    }
    let wanted: Vec<_> = clients.iter().map(|(uid, id, ..)| (&**uid, *id)).collect();
    has(etcd, &prefix, &wanted).await;
    // Nothing is left on its way.
    sleep(Duration::from_secs(1)).await;
    assert_eq!(all(etcd, &prefix).await, pairs(&wanted));
    one.stop().await;
    two.stop().await;
}

/// Binds users while etcd is away, and checks what etcd has afterwards.
async fn survives(etcd: &Etcd, cluster: &Cluster, begin: impl FnOnce(), end: impl AsyncFnOnce()) {
    let door = cluster.door("door-1").await;
    let hall = cluster.server("hall", "hall-1", storage(&cluster.options)).backend().start().await.unwrap();
    let stays = bound(&door, "stays").await;
    let leaves = bound(&door, "leaves").await;
    let find = async |uid: &str| hall.app().user_frontend("door", uid).await;
    assert!(find("stays").await.unwrap().is_some());
    begin();
    let began = Instant::now();
    let mut clients = Vec::new();
    for n in 0..20 {
        clients.push(bound(&door, &format!("user-{n:02}")).await);
    }
    let took = began.elapsed();
    // One bind at most waits for `pitaya.modules.bindingstorage.timeout`.
    assert!(took < Duration::from_secs(3), "20 binds took {took:?}");
    drop((leaves, clients.split_off(10)));
    until("the clients to leave", || door.app().sessions().count() == 11).await;
    for _ in 0..20 {
        assert_eq!(find("stays").await.unwrap().as_deref(), Some("door-1"), "a known user");
        assert!(find("nobody").await.is_err_and(|error| error.code() == "PIT-503"));
    }
    eprintln!("20 binds while etcd is away: {took:?}, with 40 lookups {:?}", began.elapsed());
    sleep(Duration::from_secs(3)).await;
    let began = Instant::now();
    end().await;
    let wanted: Vec<_> = (0..10).map(|n| format!("user-{n:02}")).collect();
    let mut wanted: Vec<_> = wanted.iter().map(|uid| (&**uid, "door-1")).collect();
    wanted.insert(0, ("stays", "door-1"));
    has(etcd, &cluster.options.prefix, &wanted).await;
    eprintln!("repaired after {:?}", began.elapsed());
    until_found(&hall, "user-03").await;
    drop((stays, clients));
    has(etcd, &cluster.options.prefix, &[]).await;
    hall.stop().await;
    door.stop().await;
}

async fn until_found(server: &Running, uid: &str) {
    let waiting = timeout(PATIENCE, async {
        while !matches!(server.app().user_frontend("door", uid).await, Ok(Some(_))) {
            sleep(Duration::from_millis(50)).await;
        }
    });
    waiting.await.expect("the user is found");
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn killed_etcd_fails_no_bind_and_is_repaired() {
    let etcd = Etcd::start().await;
    let cluster = Cluster::new(etcd.url(), "pitaya/");
    survives(&etcd, &cluster, || etcd.kill(), async || etcd.restart().await).await;
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn frozen_etcd_fails_no_bind_and_is_repaired() {
    let etcd = Etcd::start().await;
    let cluster = Cluster::new(etcd.url(), "pitaya/");
    survives(&etcd, &cluster, || etcd.freeze(), async || etcd.thaw()).await;
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn emptied_etcd_is_filled_with_bindings() {
    let etcd = Etcd::start().await;
    let cluster = Cluster::new(etcd.url(), "pitaya/");
    survives(&etcd, &cluster, || etcd.erase(), async || etcd.restart().await).await;
}

/// Nothing answers, and no connection is closed.
#[tokio::test]
#[ignore = "needs etcd"]
async fn black_hole_fails_no_bind_and_is_repaired() {
    let etcd = Etcd::start().await;
    let proxy = TcpProxy::to(etcd.port()).await;
    let cluster = Cluster::new(proxy.address().to_string(), "pitaya/");
    survives(&etcd, &cluster, || proxy.black_hole(), async || proxy.enable()).await;
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn lost_lease_is_replaced_and_bindings_put_again() {
    let (etcd, prefix) = (Etcd::shared().await, etcd::prefix());
    let mut cluster = Cluster::new(etcd.url(), &prefix);
    cluster.options.lease_ttl = Duration::from_secs(3);
    let door = cluster.door("door-1").await;
    let (_ann, _bob) = (bound(&door, "ann").await, bound(&door, "bob").await);
    let mut client = etcd.client().await;
    let lease = async |client: &mut etcd_client::Client, uid: &str| {
        let got = client.get(format!("{prefix}bindings/door/{uid}"), None).await.unwrap();
        got.kvs()[0].lease()
    };
    let first = lease(&mut client, "ann").await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(lease(&mut client, "ann").await, first, "it is kept alive");
    client.lease_client().revoke(first).await.unwrap();
    assert_eq!(all(etcd, &prefix).await, []);
    has(etcd, &prefix, &[("ann", "door-1"), ("bob", "door-1")]).await;
    let second = lease(&mut client, "ann").await;
    assert_ne!(second, first);
    // A bind notices a lost lease immediately.
    client.lease_client().revoke(second).await.unwrap();
    let _eve = bound(&door, "eve").await;
    has(etcd, &prefix, &[("ann", "door-1"), ("bob", "door-1"), ("eve", "door-1")]).await;
    door.stop().await;
}

/// An older bind of another frontend is put after the newer one here. The announcement of the older bind repairs that.
#[tokio::test]
#[ignore = "needs etcd"]
async fn older_bind_that_was_stored_later_is_corrected() {
    let (etcd, prefix) = (Etcd::shared().await, etcd::prefix());
    let cluster = Cluster::new(etcd.url(), &prefix);
    let (one, two) = (cluster.door("door-1").await, cluster.door("door-2").await);
    let _ann = bound(&one, "ann").await;
    let late = storage(&cluster.options);
    let stale = Server::new("door", "door-2");
    late.keep(&stale).await.unwrap();
    late.put(&stale, "ann").await.unwrap();
    has(etcd, &prefix, &[("ann", "door-2")]).await;
    // The announcement of the older bind.
    let news = pitaya::cluster::protos::BindMsg { uid: "ann".into(), fid: "door-2".into(), bound_at: 1 };
    let other = Peer::start(Server::new("other", "other-1"), cluster.servers.broker.transport()).await;
    let to = Address::Bindings { server_type: "door" };
    other.transport.publish(to, prost::Message::encode_to_vec(&news).into()).await.unwrap();
    has(etcd, &prefix, &[("ann", "door-1")]).await;
    assert!(one.app().sessions().by_uid("ann").is_some());
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn start_fails_for_a_wrong_password() {
    let etcd = Etcd::start_with(&["--bcrypt-cost=4"]).await;
    etcd.demand_user("game", "s3cret", "pitaya/").await;
    let mut cluster = Cluster::new(etcd.url(), "pitaya/");
    (cluster.options.user, cluster.options.pass) = ("game".into(), "hunter2".into());
    let server =
        cluster.server("door", "door-1", storage(&cluster.options)).acceptor(Tcp::new("127.0.0.1:0"));
    let error = server.start().await.unwrap_err().to_string();
    assert!(error.contains("refuses the user `game`") && !error.contains("hunter2"), "{error}");
    cluster.options.pass = "s3cret".into();
    let door = cluster.door("door-1").await;
    let _ann = bound(&door, "ann").await;
    let found = door.app().user_frontend("door", "ann").await.unwrap();
    assert_eq!(found.as_deref(), Some("door-1"));
    let mut root = etcd.root().await;
    let options = PutOptions::new();
    root.put("pitaya/bindings/door/bob", "go-1", Some(options)).await.unwrap();
    assert_eq!(door.app().user_frontend("door", "bob").await.unwrap().as_deref(), Some("go-1"));
    door.stop().await;
}

#[tokio::test]
async fn binding_storage_needs_a_cluster() {
    let app = App::builder().server_type("door").acceptor(Tcp::new("127.0.0.1:0"));
    let error = app.binding_storage(MemoryBindingStorage::new()).start().await.unwrap_err();
    assert!(error.msg().contains("a binding storage and no cluster"), "{error}");
    let alone = App::builder().config(config()).server_type("door").acceptor(Tcp::new("127.0.0.1:0"));
    let alone = alone.start().await.unwrap();
    let error = alone.app().user_frontend("door", "ann").await.unwrap_err();
    assert_eq!((error.code(), error.msg().contains("BindingStorage")), ("PIT-000", true));
    alone.stop().await;
}
