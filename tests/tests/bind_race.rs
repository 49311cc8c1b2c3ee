//! Sessions that bind one user at the same moment on one frontend: the survivor is known to the cluster, so that a bind on
//! another frontend ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use pitaya::acceptor::BoxFuture;
use pitaya::acceptor::Tcp;
use pitaya::app::Running;
use pitaya::cluster::{
    Address, MemoryBroker, MemoryRegistry, MemoryTransport, Receiver, Server, Transport, TransportError,
};
use pitaya::prelude::*;
use pitaya_tests::arena::{Text, config};
use pitaya_tests::raw::Raw;

#[derive(Component)]
struct Twin;

#[handler(server = "twin")]
impl Twin {
    pub async fn bind(&self, session: Session, msg: Text) -> Result<()> {
        session.bind(&msg.text).await
    }
}

/// A transport that takes its time to forget a user, once.
struct Lazy(MemoryTransport, Arc<AtomicBool>);

impl Transport for Lazy {
    fn start(
        &self,
        own: Arc<Server>,
        receiver: Arc<dyn Receiver>,
    ) -> BoxFuture<'_, Result<(), TransportError>> {
        self.0.start(own, receiver)
    }
    fn request<'a>(
        &'a self,
        to: &'a Server,
        body: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Bytes, TransportError>> {
        self.0.request(to, body, timeout)
    }
    fn publish<'a>(&'a self, to: Address<'a>, body: Bytes) -> BoxFuture<'a, Result<(), TransportError>> {
        self.0.publish(to, body)
    }
    fn serve_user<'a>(&'a self, uid: &'a str) -> BoxFuture<'a, Result<(), TransportError>> {
        self.0.serve_user(uid)
    }
    fn forget_user(&self, uid: &str) {
        if self.1.swap(false, SeqCst) {
            std::thread::sleep(Duration::from_millis(300));
        }
        self.0.forget_user(uid);
    }
    fn is_connected(&self) -> bool {
        self.0.is_connected()
    }
    fn drain(&self) -> BoxFuture<'_, ()> {
        self.0.drain()
    }
    fn close(&self) -> BoxFuture<'_, ()> {
        self.0.close()
    }
}

async fn front(
    id: &str,
    registry: &MemoryRegistry,
    broker: &MemoryBroker,
    lazy: &Arc<AtomicBool>,
) -> Running {
    App::builder()
        .config(config())
        .server_type("twin")
        .server_id(id)
        .discovery(registry.discovery())
        .transport(Lazy(broker.transport(), Arc::clone(lazy)))
        .acceptor(Tcp::bind("127.0.0.1:0"))
        .start()
        .await
        .unwrap()
}

async fn client(app: &Running) -> Raw {
    Raw::ready(app.socket_addrs()[0]).await
}

const ANN: &str = r#"{"text":"ann"}"#;

/// Whether a bind on `two` has ended the session of `one` when it is answered; and the client of that bind.
async fn is_kicked_by(two: &Running, one: &Running, uid: &str) -> (bool, Raw) {
    let held = one.sessions().by_uid(uid).expect("one of both stays");
    let mut elsewhere = client(two).await;
    elsewhere.ask("twin.bind", format!(r#"{{"text":"{uid}"}}"#)).await;
    (held.is_closed(), elsewhere)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bind_in_the_middle_of_another_leaves_one_session() {
    let (registry, broker) = (MemoryRegistry::default(), MemoryBroker::default());
    let (lazy, never) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let one = front("one", &registry, &broker, &lazy).await;
    let two = front("two", &registry, &broker, &never).await;
    let (mut first, mut second, mut third) = (client(&one).await, client(&one).await, client(&one).await);
    first.ask("twin.bind", ANN).await;
    lazy.store(true, SeqCst); // the first session's end takes 300 ms, in the middle of the second's bind
    second.request("twin.bind", ANN).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    third.ask("twin.bind", ANN).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    let (kicked, _elsewhere) = is_kicked_by(&two, &one, "ann").await;
    assert!(kicked, "a bind on another frontend kicks the older session");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn binds_at_one_moment_leave_one_session() {
    let (registry, broker) = (MemoryRegistry::default(), MemoryBroker::default());
    let never = Arc::new(AtomicBool::new(false));
    let one = front("one", &registry, &broker, &never).await;
    let two = front("two", &registry, &broker, &never).await;
    for n in 0..100 {
        let uid = format!("user-{n}");
        let body = format!(r#"{{"text":"{uid}"}}"#);
        let mut tasks = Vec::new();
        for _ in 0..4 {
            let (mut client, body) = (client(&one).await, body.clone());
            tasks.push(tokio::spawn(async move {
                client.request("twin.bind", body).await;
                let _ = client.next().await;
                client
            }));
        }
        let mut held = Vec::new();
        for task in tasks {
            held.push(task.await.unwrap());
        }
        if one.sessions().by_uid(&uid).is_some() {
            assert!(is_kicked_by(&two, &one, &uid).await.0, "user {n}");
        }
    }
    one.stop().await;
    two.stop().await;
}
