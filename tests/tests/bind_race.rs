//! Sessions that bind one user at the same moment on one frontend: the survivor is known to the cluster, so that a bind on
//! another frontend ends it.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};

use pitaya::acceptor::Tcp;
use pitaya::app::Running;
use pitaya::prelude::*;
use pitaya_tests::cluster::{Hook, HookedTransport, MemoryCluster};
use pitaya_tests::raw_client::{Got, RawClient};
use pitaya_tests::server::Text;
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

impl Hook for Gate {
    fn on_forget_user(&self, _uid: &str) {
        self.pass();
    }
}

async fn front(cluster: &MemoryCluster, id: &str, gate: &Arc<Gate>) -> Running {
    let transport = HookedTransport(cluster.broker.transport(), Arc::clone(gate));
    let app = cluster.server_over(transport, "twin", id).acceptor(Tcp::new("127.0.0.1:0"));
    app.start().await.unwrap()
}

const ANN: &str = r#"{"text":"ann"}"#;

/// Whether a bind on `two` has ended the session of `one` when it is answered; and the client of that bind.
async fn is_kicked_by(two: &Running, one: &Running, uid: &str) -> (bool, RawClient) {
    let held = one.app().sessions().by_uid(uid).expect("one of both stays");
    let mut elsewhere = RawClient::of(two).await;
    elsewhere.ask("twin.bind", format!(r#"{{"text":"{uid}"}}"#)).await;
    (held.is_closed(), elsewhere)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bind_in_the_middle_of_another_leaves_one_session() {
    let cluster = MemoryCluster::default();
    let gate = Arc::<Gate>::default();
    let one = front(&cluster, "one", &gate).await;
    let two = front(&cluster, "two", &Arc::default()).await;
    let (mut first, mut second, mut third) =
        (RawClient::of(&one).await, RawClient::of(&one).await, RawClient::of(&one).await);
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
    let cluster = MemoryCluster::default();
    let one = front(&cluster, "one", &Arc::default()).await;
    let two = front(&cluster, "two", &Arc::default()).await;
    for n in 0..100 {
        let uid = format!("user-{n}");
        let body = format!(r#"{{"text":"{uid}"}}"#);
        let mut tasks = Vec::new();
        for _ in 0..4 {
            let (mut client, body) = (RawClient::of(&one).await, body.clone());
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
