//! Links to servers that freeze, leave or move.

use std::io::Write as _;

use tokio::time::Instant;

use super::*;
use crate::cluster::order::Order;
use crate::cluster::protos::OrderedBroadcast;

/// The first frame of an HTTP/2 server: no settings.
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

/// A frontend of this framework that never reads what it receives. Go Pitaya has no `protos.Peer`.
fn frozen(id: &str, is_peer: bool) -> Server {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut streams = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.write_all(&SETTINGS).unwrap();
            streams.push(stream);
        }
    });
    let server = Server::new("front", id).frontend(true);
    let server =
        server.with_metadata(address::HOST, "127.0.0.1").with_metadata(address::PORT, port.to_string());
    if is_peer { server.with_metadata(address::PEER, "1") } else { server }
}

/// A frozen frontend delays one message by a moment, and no message to another frontend is lost.
#[tokio::test]
async fn frozen_frontend_delays_no_broadcast() {
    const MANY: usize = 2000;
    let (a, mut b) = pair().await;
    let order = Order::new();
    let frontends = [Arc::new(frozen("frozen", true)), Arc::new(b.server.clone())];
    let message = OrderedBroadcast { route: "x".repeat(1000), ..OrderedBroadcast::default() };
    let (began, mut failed) = (Instant::now(), 0);
    for _ in 0..MANY {
        failed += usize::from(order.sent.publish(&a.transport, &frontends, &message).await.is_err());
    }
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(failed > MANY / 2, "the frozen frontend reads nothing: {failed}");
    for _ in 0..MANY {
        assert!(b.next().await.starts_with("broadcast "));
    }
    assert_eq!(a.transport.links.limits.refused.load(Relaxed), failed as u64);
}

/// A login announces its bind, and waits for no answer.
#[tokio::test]
async fn frozen_frontends_delay_no_announcement() {
    let (a, mut b) = pair().await;
    for server in [frozen("frozen", true), frozen("go", false)] {
        a.transport.links.servers.get().unwrap().put(server);
    }
    let began = Instant::now();
    for _ in 0..1000 {
        let to = Address::Bindings { server_type: "front" };
        let _ = a.transport.publish(to, "ann".into()).await; // the frozen frontends fail
    }
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    for _ in 0..1000 {
        assert_eq!(b.next().await, "bound ann");
    }
}

/// The queue is for bursts: a sender waits for a frontend that reads.
#[tokio::test]
async fn burst_waits_for_a_place() {
    let (a, mut b) = pair().await;
    for _ in 0..5000 {
        a.transport.publish(Address::Broadcast(&b.server), "x".into()).await.unwrap();
    }
    for _ in 0..5000 {
        assert_eq!(b.next().await, "broadcast x");
    }
}

#[tokio::test]
async fn close_sends_what_was_queued_before_the_connection() {
    let (a, mut b) = pair().await;
    a.transport.publish(Address::Broadcast(&b.server), "x".into()).await.unwrap();
    a.transport.close().await;
    assert_eq!(b.next().await, "broadcast x");
}

#[tokio::test]
async fn longest_timeout_is_sent() {
    let (a, b) = pair().await;
    let answer = a.transport.request(&b.server, "x".into(), Duration::MAX).await;
    assert_eq!(answer.unwrap(), "x");
    let push = Address::Push { frontend_type: "front", uid: "ann" };
    let options = GrpcOptions { request_timeout: Duration::MAX, ..GrpcOptions::default() };
    let servers = Arc::<Servers>::default();
    let c = Node::start("c", options, &servers).await;
    servers.put(b.server.clone());
    c.transport.publish(push, "ann".into()).await.unwrap();
}

/// Waits until a condition holds, while other tasks run.
async fn until(holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, wait).await.expect("the condition holds");
}

/// The last calls for its sessions know only its id.
#[tokio::test]
async fn server_that_left_is_called_until_it_closes() {
    let (a, b) = pair().await;
    assert!(a.ask(&b, "x").await.is_ok());
    let servers = a.transport.links.servers.get().unwrap();
    servers.put(b.server.clone().with_metadata("draining", "true"));
    servers.remove("front", "b");
    let to = Server::new("front", "b");
    assert_eq!(a.transport.request(&to, "x".into(), LONG).await.unwrap(), "x");
    a.transport.publish(Address::Broadcast(&to), "x".into()).await.unwrap();
    b.transport.close().await;
    until(|| a.transport.links.count() == 0).await;
    assert_eq!(a.transport.request(&to, "x".into(), LONG).await, Err(TransportError::NoResponders));
}

/// A caller may still have the entry of a server that has left.
#[tokio::test]
async fn link_to_a_server_that_left_is_not_made_again() {
    let (a, b) = pair().await;
    a.transport.links.servers.get().unwrap().remove("front", "b");
    assert!(a.ask(&b, "x").await.is_ok());
    b.transport.close().await;
    until(|| a.transport.links.count() == 0).await;
    assert_eq!(a.ask(&b, "x").await, Err(TransportError::NoResponders));
    until(|| a.transport.links.count() == 0).await;
}

/// A caller may still have the old entry.
#[tokio::test]
async fn old_entry_leads_to_the_new_address() {
    for lazy_connection in [true, false] {
        let options = GrpcOptions { lazy_connection, ..GrpcOptions::default() };
        let servers = Arc::<Servers>::default();
        let a = Node::start("a", options, &servers).await;
        let (old, new) = (frozen("b", true), Node::start("b", GrpcOptions::default(), &Arc::default()).await);
        servers.put(old.clone());
        servers.put(new.server.clone());
        assert_eq!(a.transport.request(&old, "x".into(), LONG).await.unwrap(), "x");
    }
}

/// The server of a fixed id was replaced by one of Go Pitaya at the same address, or the other way round.
#[tokio::test]
async fn replaced_server_changes_the_form_of_messages() {
    let (a, mut b) = pair().await;
    let peer = b.server.clone();
    let mut go = peer.clone();
    go.metadata.remove(address::PEER);
    let servers = a.transport.links.servers.get().unwrap();
    for (n, server) in [&peer, &go, &peer].into_iter().enumerate() {
        servers.put(server.clone());
        let link = a.transport.links.link(server).unwrap();
        assert_eq!(link.is_peer(), address::is_peer(server));
        let bind = Bytes::from(n.to_string());
        a.transport.publish(Address::Bindings { server_type: "front" }, bind).await.unwrap();
        assert_eq!(b.next().await, format!("bound {n}"));
        let sent = a.transport.publish(Address::Broadcast(server), "x".into()).await;
        assert_eq!(sent.is_ok(), address::is_peer(server));
        if sent.is_ok() {
            assert_eq!(b.next().await, "broadcast x");
        }
    }
    until(|| a.transport.links.count() == 1).await;
}

/// Otherwise all binds are announced again to each of its connections.
#[tokio::test]
async fn server_that_only_accepts_is_not_connected() {
    let servers = Arc::<Servers>::default();
    let mut a = Node::start("a", GrpcOptions::default(), &servers).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let b = Server { id: "b".into(), ..a.server.clone() }.with_metadata(address::PORT, port.to_string());
    servers.put(b.clone());
    let ask = async {
        while a.transport.request(&b, "x".into(), LONG).await != Err(TransportError::NoResponders) {}
    };
    let accept = async {
        for _ in 0..4 {
            drop(listener.accept().await.unwrap());
        }
    };
    tokio::join!(ask, accept);
    assert!(a.came.try_recv().is_err(), "no bind is announced again");
    assert_eq!(a.transport.links.reconnects(), 0);
}
