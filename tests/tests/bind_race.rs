//! Sessions that bind one user at the same moment on one frontend: the survivor is known to the cluster, so that a bind on
//! another frontend ends it.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use pitaya::acceptor::BoxFuture;
use pitaya::acceptor::Tcp;
use pitaya::app::Running;
use pitaya::cluster::{
    Address, MemoryBroker, MemoryRegistry, MemoryTransport, Receiver, Server, Transport, TransportError,
};
use pitaya::prelude::*;
use pitaya_tests::raw_client::{Got, RawClient};
use pitaya_tests::server::{Text, config};
use pitaya_tests::{PATIENCE, soon, until};

#[derive(Component)]
struct Twin;

#[handler(server = "twin")]
impl Twin {
    pub async fn bind(&self, session: Session, msg: Text) -> Result<()> {
        session.bind(&msg.text).await
    }
}

/// Holds the end of one session until a test opens it.
#[derive(Default)]
struct Gate {
    armed: AtomicBool,
    reached: AtomicBool,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    /// Waits, the first time after the gate was armed, until it is opened.
    fn pass(&self) {
        if self.armed.swap(false, SeqCst) {
            self.reached.store(true, SeqCst);
            // Other tasks of this thread continue.
            tokio::task::block_in_place(|| {
                let open = self.open.lock().unwrap();
                drop(self.opened.wait_timeout_while(open, PATIENCE, |open| !*open).unwrap());
            });
        }
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

/// A transport that forgets a user when the gate is open.
struct Lazy(MemoryTransport, Arc<Gate>);

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
        self.1.pass();
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

async fn front(id: &str, registry: &MemoryRegistry, broker: &MemoryBroker, gate: &Arc<Gate>) -> Running {
    App::builder()
        .config(config())
        .server_type("twin")
        .server_id(id)
        .discovery(registry.discovery())
        .transport(Lazy(broker.transport(), Arc::clone(gate)))
        .acceptor(Tcp::new("127.0.0.1:0"))
        .start()
        .await
        .unwrap()
}

async fn client(app: &Running) -> RawClient {
    RawClient::ready(app.socket_addrs()[0]).await
}

const ANN: &str = r#"{"text":"ann"}"#;

/// Whether a bind on `two` has ended the session of `one` when it is answered; and the client of that bind.
async fn is_kicked_by(two: &Running, one: &Running, uid: &str) -> (bool, RawClient) {
    let held = one.app().sessions().by_uid(uid).expect("one of both stays");
    let mut elsewhere = client(two).await;
    elsewhere.ask("twin.bind", format!(r#"{{"text":"{uid}"}}"#)).await;
    (held.is_closed(), elsewhere)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bind_in_the_middle_of_another_leaves_one_session() {
    let (registry, broker) = (MemoryRegistry::default(), MemoryBroker::default());
    let gate = Arc::<Gate>::default();
    let one = front("one", &registry, &broker, &gate).await;
    let two = front("two", &registry, &broker, &Arc::default()).await;
    let (mut first, mut second, mut third) = (client(&one).await, client(&one).await, client(&one).await);
    first.ask("twin.bind", ANN).await;
    let current = || one.app().sessions().by_uid("ann").map(|session| session.id());
    // The second's bind ends the first session, and is held in the middle of that.
    gate.armed.store(true, SeqCst);
    second.request("twin.bind", ANN).await;
    until("the first session to end", || gate.reached.load(SeqCst)).await;
    let held = current();
    third.request("twin.bind", ANN).await;
    until("the third to take the second's place", || current() != held).await;
    gate.open();
    let answer = soon("the answer to the third bind", third.next()).await.expect("it stays");
    assert!(matches!(answer, Got::Response { .. }), "{answer:?}");
    for client in [&mut first, &mut second] {
        soon("the session to be replaced", client.closed()).await;
    }
    let (kicked, _elsewhere) = is_kicked_by(&two, &one, "ann").await;
    assert!(kicked, "a bind on another frontend kicks the older session");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn binds_at_one_moment_leave_one_session() {
    let (registry, broker) = (MemoryRegistry::default(), MemoryBroker::default());
    let one = front("one", &registry, &broker, &Arc::default()).await;
    let two = front("two", &registry, &broker, &Arc::default()).await;
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
        if one.app().sessions().by_uid(&uid).is_some() {
            assert!(is_kicked_by(&two, &one, &uid).await.0, "user {n}");
        }
    }
    one.stop().await;
    two.stop().await;
}
