use std::sync::Mutex;

use super::super::broker::MAX_QUEUED;
use super::*;
use crate::cluster::response;

/// Records the messages of all servers in one list, each with the name of its server.
struct Scribe {
    name: &'static str,
    came: Arc<Mutex<Vec<String>>>,
}

impl Scribe {
    fn write(&self, what: &str, body: &Bytes) {
        let line = format!("{} {what} {}", self.name, String::from_utf8_lossy(body));
        self.came.lock().unwrap().push(line);
    }
}

impl Receiver for Scribe {
    fn request(&self, body: Bytes) -> BoxFuture<'static, Bytes> {
        self.write("request", &body);
        Box::pin(async move {
            if body == "wait" {
                tokio::time::sleep(Duration::from_secs(1)).await;
            } else if body == "never" {
                pending::<()>().await;
            }
            body
        })
    }
    fn push(&self, body: Bytes) -> Bytes {
        self.write("push", &body);
        response::ACK
    }
    fn kick(&self, body: Bytes) -> Bytes {
        self.write("kick", &body);
        response::ACK
    }
    fn bound(&self, body: Bytes) {
        self.write("bound", &body);
    }
    fn broadcast(&self, body: Bytes) {
        self.write("broadcast", &body);
    }
    fn reconnected(&self) {
        self.write("reconnected", &Bytes::new());
    }
}

fn server(id: &str) -> Server {
    Server::new("front", id).frontend(true)
}

async fn start(
    broker: &MemoryBroker,
    name: &'static str,
    came: &Arc<Mutex<Vec<String>>>,
) -> Result<MemoryTransport, TransportError> {
    let transport = broker.transport();
    let scribe = Scribe { name, came: Arc::clone(came) };
    transport.start(Arc::new(server(name)), Arc::new(scribe)).await?;
    Ok(transport)
}

/// Returns the messages of a busy run, in order.
async fn run() -> Vec<String> {
    let (broker, came) = (MemoryBroker::new(), Arc::default());
    let mut transports = Vec::new();
    for name in ["c", "a", "b"] {
        transports.push(start(&broker, name, &came).await.unwrap());
    }
    for uid in ["ann", "bob"] {
        for transport in &transports {
            transport.serve_user(uid).await.unwrap();
        }
    }
    let calls = transports.iter().enumerate().map(|(n, transport)| async move {
        for round in 0..20 {
            let body = Bytes::from(format!("{n} {round}"));
            for uid in ["bob", "ann"] {
                let to = Address::Push { frontend_type: "front", uid };
                transport.publish(to, body.clone()).await.unwrap();
            }
            transport.publish(Address::Bindings { server_type: "front" }, body.clone()).await.unwrap();
            let body = if round % 5 == 0 { "wait".into() } else { body };
            transport.request(&server("a"), body, Duration::from_secs(5)).await.unwrap();
        }
    });
    futures_util::future::join_all(calls).await;
    tokio::time::sleep(Duration::from_millis(1)).await; // each subject is taken in by itself
    came.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn the_same_calls_are_the_same_run_each_time() {
    let first = run().await;
    assert_eq!(first.len(), 3 * 20 * 10);
    for _ in 0..5 {
        assert_eq!(run().await, first);
    }
}

#[tokio::test(start_paused = true)]
async fn time_that_is_paused_passes_for_calls_too() {
    let (broker, came) = (MemoryBroker::new(), Arc::default());
    let a = start(&broker, "a", &came).await.unwrap();
    let _b = start(&broker, "b", &came).await.unwrap();
    let began = tokio::time::Instant::now();
    assert_eq!(a.request(&server("b"), "wait".into(), Duration::from_secs(2)).await, Ok("wait".into()));
    assert_eq!(began.elapsed(), Duration::from_secs(1));
    let hour = Duration::from_secs(3600);
    assert_eq!(a.request(&server("b"), "never".into(), hour).await, Err(TransportError::Timeout));
    assert_eq!(began.elapsed(), Duration::from_secs(3601));
}

#[tokio::test]
async fn an_id_is_on_a_broker_once_at_a_time() {
    let (broker, came) = (MemoryBroker::new(), Arc::default());
    let a = start(&broker, "a", &came).await.unwrap();
    let error = start(&broker, "a", &came).await.unwrap_err();
    assert_eq!(error.to_string(), "a server with the id `a` is on this broker already");
    drop(a);
    let a = start(&broker, "a", &came).await.unwrap();
    assert!(a.is_connected());
    let again = a.start(Arc::new(server("other")), Arc::new(Scribe { name: "other", came })).await;
    assert!(again.is_err());
    let nobody = a.request(&server("other"), Bytes::new(), Duration::from_secs(1)).await;
    assert_eq!(nobody, Err(TransportError::NoResponders));
}

#[tokio::test(start_paused = true)]
async fn silent_death_is_a_timeout_for_callers() {
    let (broker, came) = (MemoryBroker::new(), Arc::default());
    let a = start(&broker, "a", &came).await.unwrap();
    let b = start(&broker, "b", &came).await.unwrap();
    let (to, timeout) = (server("b"), Duration::from_secs(5));
    let (answer, ()) = tokio::join!(a.request(&to, "never".into(), timeout), async {
        tokio::task::yield_now().await;
        drop(b);
    });
    assert_eq!(answer, Err(TransportError::Timeout));
    assert_eq!(a.request(&to, "x".into(), timeout).await, Err(TransportError::NoResponders));
}

#[tokio::test]
async fn before_its_start_a_transport_has_no_connection() {
    let transport = MemoryBroker::new().transport();
    assert!(!transport.is_connected());
    let timeout = Duration::from_secs(1);
    let answer = transport.request(&server("a"), Bytes::new(), timeout).await;
    assert_eq!(answer, Err(TransportError::Unavailable));
    assert_eq!(transport.serve_user("ann").await, Err(TransportError::Unavailable));
    transport.forget_user("ann");
    transport.drain().await;
    transport.close().await;
}

#[tokio::test(flavor = "current_thread")]
async fn what_finds_no_room_is_dropped_and_counted() {
    let (broker, came) = (MemoryBroker::new(), Arc::default());
    let a = start(&broker, "a", &came).await.unwrap();
    a.serve_user("ann").await.unwrap();
    let to = Address::Push { frontend_type: "front", uid: "ann" };
    // No task runs while this test does not wait.
    for _ in 0..MAX_QUEUED + 5 {
        let published = a.publish(to, Bytes::new()).await;
        assert_eq!(published, Ok(()));
    }
    assert_eq!(broker.dropped(), 5);
    let kick = Address::Kick { frontend_type: "front", uid: "ann" };
    assert_eq!(
        (a.publish(kick, Bytes::new()).await, broker.dropped()),
        (Ok(()), 5),
        "another subject has room"
    );
    a.drain().await;
    assert_eq!(came.lock().unwrap().len(), MAX_QUEUED + 1);
}

/// The app receives no messages during an outage, and learns when it ends.
#[tokio::test(start_paused = true)]
async fn unreachable_broker_fails_calls_immediately() {
    let (broker, came) = (MemoryBroker::new(), Arc::default());
    let a = start(&broker, "a", &came).await.unwrap();
    let b = start(&broker, "b", &came).await.unwrap();
    let (timeout, bindings) = (Duration::from_secs(1), Address::Bindings { server_type: "front" });
    broker.set_reachable("b", false);
    assert!(a.is_connected() && !b.is_connected());
    assert_eq!(b.request(&server("a"), "x".into(), timeout).await, Err(TransportError::Unavailable));
    assert_eq!(b.publish(bindings, "x".into()).await, Err(TransportError::Unavailable));
    assert_eq!(b.serve_user("ann").await, Ok(()), "it is served once there is a connection");
    assert_eq!(a.request(&server("b"), "x".into(), timeout).await, Err(TransportError::NoResponders));
    let push = Address::Push { frontend_type: "front", uid: "ann" };
    assert_eq!(a.publish(push, "lost".into()).await, Ok(()));
    broker.set_reachable("b", true);
    broker.set_reachable("b", true); // as it was
    assert_eq!(a.publish(push, "heard".into()).await, Ok(()));
    assert_eq!(a.request(&server("b"), "x".into(), timeout).await, Ok("x".into()));
    a.drain().await;
    b.drain().await;
    came.lock().unwrap().sort_unstable();
    assert_eq!(*came.lock().unwrap(), ["b push heard", "b reconnected ", "b request x"]);
}

#[tokio::test(start_paused = true)]
async fn answer_of_partitioned_server_never_arrives() {
    let (broker, came) = (MemoryBroker::new(), Arc::default());
    let a = start(&broker, "a", &came).await.unwrap();
    let _b = start(&broker, "b", &came).await.unwrap();
    let (to, timeout) = (server("b"), Duration::from_secs(5));
    let (answer, ()) = tokio::join!(a.request(&to, "wait".into(), timeout), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        broker.set_reachable("b", false);
    });
    assert_eq!(answer, Err(TransportError::Timeout));
}

#[tokio::test(start_paused = true)]
async fn only_one_subject_of_one_sender_has_an_order() {
    let (mut pushes_first, mut kicks_first, mut answers_first) = (0, 0, 0);
    let (broker, came) = (MemoryBroker::new(), Arc::default());
    let (a, b) = (start(&broker, "a", &came).await.unwrap(), start(&broker, "b", &came).await.unwrap());
    b.serve_user("ann").await.unwrap();
    let push = Address::Push { frontend_type: "front", uid: "ann" };
    let kick = Address::Kick { frontend_type: "front", uid: "ann" };
    for _ in 0..200 {
        for body in ["1", "2"] {
            a.publish(push, body.into()).await.unwrap();
        }
        a.publish(kick, "3".into()).await.unwrap();
        a.request(&server("b"), "4".into(), Duration::from_secs(1)).await.unwrap();
        let answered = came.lock().unwrap().len();
        tokio::time::sleep(Duration::from_millis(1)).await;
        let all = std::mem::take(&mut *came.lock().unwrap());
        let place = |line: &str| all.iter().position(|one| one == line).unwrap();
        assert!(all.len() == 4 && place("b push 1") < place("b push 2"), "{all:?}");
        let first = place("b push 1") < place("b kick 3");
        pushes_first += usize::from(first);
        kicks_first += usize::from(!first);
        answers_first += usize::from(answered < 4);
    }
    assert!(pushes_first > 0 && kicks_first > 0 && answers_first > 0);
}
