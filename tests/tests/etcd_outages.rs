//! Servers whose etcd is killed, frozen, emptied, disconnected, or has compacted its history.

use std::sync::Arc;
use std::time::{Duration, Instant};

use etcd_client::GetOptions;
use pitaya::cluster::{Discovery, EtcdOptions, Server};
use pitaya_tests::etcd::Etcd;
use pitaya_tests::node::Node;
use pitaya_tests::tcp_proxy::TcpProxy;
use pitaya_tests::until;
use tokio::time::{sleep, timeout};

/// The promised time to recover once etcd is back.
const BACK: Duration = Duration::from_secs(5);

const TTL: Duration = Duration::from_secs(2);

/// Short leases, so that outages outlive them; all else as it is by default.
fn options(etcd: &Etcd) -> EtcdOptions {
    EtcdOptions { heartbeat_ttl: TTL, ..etcd.options("pitaya/") }
}

/// The keys of servers that etcd has.
async fn keys(etcd: &Etcd) -> usize {
    let client = etcd.client().await;
    let all = Some(GetOptions::new().with_prefix());
    usize::try_from(client.kv_client().get("pitaya/servers/", all).await.unwrap().count()).unwrap()
}

async fn back(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    let waiting = timeout(BACK, async {
        while !holds().await {
            sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waiting.await.is_ok(), "{what}: not within {BACK:?}");
    eprintln!("{what}: {:?}", began.elapsed());
}

async fn two(etcd: &Etcd) -> (Node, Node) {
    let a = Node::join(options(etcd), Server::new("room", "a")).await;
    let b = Node::join(options(etcd), Server::new("room", "b")).await;
    until("they see each other", || a.sees() == ["a", "b"] && b.sees() == ["a", "b"]).await;
    (a, b)
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn killed_etcd_keeps_view_and_recovers() {
    let etcd = Etcd::start().await;
    let (a, b) = two(&etcd).await;
    let _ = (a.heard(), b.heard());
    etcd.kill();
    until("it is noticed", || a.discovery.failures() > 0 && b.discovery.failures() > 0).await;
    assert!(!a.discovery.is_ready().await);
    assert!(!a.discovery.is_current() && !b.discovery.is_current(), "no changes are followed");
    let changed = Server::new("room", "b").with_metadata("draining", "true");
    assert!(b.discovery.announce(Arc::new(changed)).await.is_err(), "it cannot be told now");
    sleep(TTL * 2).await;
    assert_eq!((a.sees().len(), b.sees().len()), (2, 2));
    etcd.restart().await;
    back("killed", async || a.discovery.is_ready().await && b.discovery.is_ready().await).await;
    back("what was announced meanwhile", async || a.servers.get("b").is_some_and(|b| b.is_draining())).await;
    assert_eq!(keys(&etcd).await, 2);
    let c = Node::join(options(&etcd), Server::new("room", "c")).await;
    until("changes are followed", || a.sees().len() == 3 && b.sees().len() == 3).await;
    assert!(a.discovery.is_current() && b.discovery.is_current());
    c.discovery.close().await;
    until("and so is leaving", || a.sees().len() == 2).await;
    assert_eq!(a.heard(), ["~b", "+c", "-c"], "no server was lost in between");
}

/// Frozen for longer than the leases last.
#[tokio::test]
#[ignore = "needs etcd"]
async fn frozen_etcd_keeps_view_and_recovers() {
    let etcd = Etcd::start().await;
    let (a, b) = two(&etcd).await;
    let _ = (a.heard(), b.heard());
    for outage in [TTL * 2, TTL * 5] {
        etcd.freeze();
        sleep(outage).await;
        assert!(!timeout(Duration::from_secs(1), a.discovery.is_ready()).await.unwrap_or(false));
        assert_eq!((a.sees().len(), b.sees().len()), (2, 2));
        let registrations = [&a, &b].map(|node| node.discovery.registrations());
        etcd.thaw();
        back("frozen", async || {
            let again = [&a, &b].map(|node| node.discovery.registrations());
            again[0] > registrations[0] && again[1] > registrations[1] && keys(&etcd).await == 2
        })
        .await;
        back("frozen", async || a.discovery.is_ready().await && b.discovery.is_ready().await).await;
    }
    assert_eq!((a.heard(), b.heard()), (Vec::new(), Vec::new()), "no server was lost");
    let _c = Node::join(options(&etcd), Server::new("room", "c")).await;
    until("changes are followed", || a.sees().len() == 3 && b.sees().len() == 3).await;
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn emptied_etcd_is_filled_again() {
    let etcd = Etcd::start().await;
    let (a, b) = two(&etcd).await;
    let _ = (a.heard(), b.heard());
    etcd.erase();
    until("it is noticed", || a.discovery.failures() > 0 && b.discovery.failures() > 0).await;
    etcd.restart().await;
    back("emptied", async || keys(&etcd).await == 2).await;
    back("emptied", async || a.discovery.is_ready().await && b.discovery.is_ready().await).await;
    let c = Node::join(options(&etcd), Server::new("room", "c")).await;
    until("changes are followed", || a.sees().len() == 3 && b.sees().len() == 3 && c.sees().len() == 3).await;
    assert_eq!((a.heard(), b.heard()), (vec!["+c".to_owned()], vec!["+c".to_owned()]), "no server was lost");
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn server_lost_during_outage_is_removed_later() {
    let etcd = Etcd::start().await;
    // They are given the time to come back that a try to register may take.
    let second = Duration::from_secs(1);
    let quick = EtcdOptions { retry_interval: second, dial_timeout: second, ..options(&etcd) };
    let a = Node::join(quick.clone(), Server::new("room", "a")).await;
    let b = Node::join(quick, Server::new("room", "b")).await;
    until("b comes", || a.sees() == ["a", "b"]).await;
    etcd.freeze();
    drop(b);
    sleep(TTL * 2).await;
    etcd.thaw();
    until("b is gone", || a.sees() == ["a"]).await;
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn dead_connection_is_noticed_and_replaced() {
    let etcd = Etcd::start().await;
    let proxy = TcpProxy::to(etcd.port()).await;
    // Leases of sixty seconds: it is not the lease that notices.
    let through = EtcdOptions { endpoints: vec![proxy.address().to_string()], ..etcd.options("pitaya/") };
    let a = Node::join(through, Server::new("room", "a")).await;
    proxy.stall();
    let connections = proxy.connections();
    let _b = Node::join(etcd.options("pitaya/"), Server::new("room", "b")).await;
    until("b comes", || a.sees() == ["a", "b"]).await;
    assert!(proxy.connections() > connections);
    assert_eq!(a.discovery.registrations(), 1, "the lease is the same");
}

/// etcd has compacted them away.
#[tokio::test]
#[ignore = "needs etcd"]
async fn changes_during_watch_loss_are_found() {
    let etcd = Etcd::start().await;
    let proxy = TcpProxy::to(etcd.port()).await;
    let through = EtcdOptions { endpoints: vec![proxy.address().to_string()], ..etcd.options("pitaya/") };
    let a = Node::join(through, Server::new("room", "a")).await;
    let b = Node::join(etcd.options("pitaya/"), Server::new("room", "b")).await;
    until("b comes", || a.sees() == ["a", "b"]).await;

    proxy.disable();
    until("it is noticed", || a.discovery.failures() > 0).await;
    b.discovery.close().await;
    let _c = Node::join(etcd.options("pitaya/"), Server::new("room", "c")).await;
    let client = etcd.client().await;
    let put = client.kv_client().put("other", "", None).await.unwrap();
    client.kv_client().compact(put.header().unwrap().revision(), None).await.unwrap();
    assert_eq!(a.sees(), ["a", "b"]);
    proxy.enable();
    back("cut", async || a.sees() == ["a", "c"]).await;
    let _d = Node::join(etcd.options("pitaya/"), Server::new("room", "d")).await;
    until("changes are followed", || a.sees() == ["a", "c", "d"]).await;
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn one_endpoint_of_several_may_be_down() {
    let etcd = Etcd::start().await;
    let (one, other) = (TcpProxy::to(etcd.port()).await, TcpProxy::to(etcd.port()).await);
    let endpoints = vec!["127.0.0.1:1".to_owned(), one.address().to_string(), other.address().to_string()];
    let several = EtcdOptions { endpoints, ..options(&etcd) };
    let a = Node::join(several.clone(), Server::new("room", "a")).await;
    let b = Node::join(several, Server::new("room", "b")).await;
    until("they see each other", || a.sees() == ["a", "b"] && b.sees() == ["a", "b"]).await;
    let _ = (a.heard(), b.heard());
    for _ in 0..3 {
        for (cut, left) in [(&one, &other), (&other, &one)] {
            let before = left.connections();
            cut.disable();
            back("cut", async || a.discovery.is_ready().await && b.discovery.is_ready().await).await;
            assert!(left.connections() >= before);
            cut.enable();
        }
    }
    assert_eq!((a.heard(), b.heard()), (Vec::new(), Vec::new()));
}

/// etcd is frozen or gone.
#[tokio::test]
#[ignore = "needs etcd"]
async fn leave_and_close_end_in_time_without_etcd() {
    let etcd = Etcd::start().await;
    let quick = EtcdOptions { revoke_timeout: Duration::from_millis(300), ..options(&etcd) };
    let a = Node::join(quick.clone(), Server::new("room", "a")).await;
    let b = Node::join(quick, Server::new("room", "b")).await;
    etcd.freeze();
    timeout(BACK, a.discovery.close()).await.expect("it closes");
    etcd.kill();
    timeout(BACK, b.discovery.close()).await.expect("it closes");
}
