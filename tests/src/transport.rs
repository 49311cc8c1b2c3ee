//! The promises of every transport, as tests that run over each of them; and a receiver that records.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use pitaya::cluster::{Address, Receiver, Server, Servers, Transport, TransportError, response};
use tokio::sync::Semaphore;

use crate::{soon, until};

/// The timeout of calls in tests. No call needs as much.
pub const LONG: Duration = Duration::from_secs(15);

/// Records every message as text, such as `push hello`. A request is answered with its body, except: `wait…` waits at
/// the gate first, `big N` gets N bytes, `never` nothing.
#[derive(Debug)]
pub struct RecordingReceiver {
    /// The recorded messages.
    pub recorded: Mutex<Vec<String>>,
    /// Where requests wait that say so.
    pub gate: Arc<Semaphore>,
}

impl Default for RecordingReceiver {
    fn default() -> Self {
        Self { recorded: Mutex::default(), gate: Arc::new(Semaphore::new(0)) }
    }
}

impl RecordingReceiver {
    fn write(&self, what: &str, body: &Bytes) {
        let body = if body.len() > 100 {
            format!("{} bytes", body.len()).into()
        } else {
            String::from_utf8_lossy(body)
        };
        self.recorded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(format!("{what} {body}").trim().to_owned());
    }

    /// Returns the recorded messages that begin so.
    pub fn recorded(&self, what: &str) -> Vec<String> {
        let recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        recorded.iter().filter(|recorded| recorded.starts_with(what)).cloned().collect()
    }

    /// Waits until this has come.
    pub async fn has(&self, recorded: &str) {
        until(recorded, || self.recorded(recorded).iter().any(|one| one == recorded)).await;
    }

    /// Waits until so many of one kind have come.
    pub async fn has_many(&self, what: &str, many: usize) {
        until(&format!("{many} {what}"), || self.recorded(what).len() >= many).await;
    }

    /// Lets all requests through that wait, and all to come.
    pub fn open(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS / 2);
    }
}

impl Receiver for RecordingReceiver {
    fn request(&self, body: Bytes) -> BoxFuture<'static, Bytes> {
        self.write("request", &body);
        let gate = Arc::clone(&self.gate);
        Box::pin(async move {
            let text = String::from_utf8_lossy(&body).into_owned();
            if text.starts_with("wait") {
                let _ = gate.acquire().await;
            } else if text == "never" {
                std::future::pending::<()>().await;
            } else if let Some(size) = text.strip_prefix("big ").and_then(|size| size.parse().ok()) {
                return vec![b'x'; size].into();
            }
            body
        })
    }

    fn push(&self, body: Bytes) -> Bytes {
        self.write("push", &body);
        response::NESTED_ACK
    }

    fn kick(&self, body: Bytes) -> Bytes {
        self.write("kick", &body);
        response::KICKED
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

/// A server on a transport.
#[derive(Debug)]
pub struct Peer<T> {
    /// The server.
    pub server: Server,
    /// The receiver of its messages.
    pub recorder: Arc<RecordingReceiver>,
    /// Its transport.
    pub transport: T,
}

impl<T: Transport> Peer<T> {
    /// Starts a server.
    pub async fn start(server: Server, transport: T) -> Self {
        Self::start_among(&Arc::default(), server, transport).await
    }

    /// Starts a server, and adds it to the list.
    pub async fn start_among(servers: &Arc<Servers>, server: Server, transport: T) -> Self {
        let metadata = transport.metadata();
        let server =
            metadata.into_iter().fold(server, |server, (key, value)| server.with_metadata(key, value));
        transport.follow(servers, None);
        let peer = Self { server, recorder: Arc::default(), transport };
        peer.begin().await.expect("the transport starts");
        servers.put(peer.server.clone());
        peer
    }

    /// Starts its transport.
    pub async fn begin(&self) -> Result<(), TransportError> {
        let receiver = Arc::clone(&self.recorder) as Arc<dyn Receiver>;
        soon("the start", self.transport.start(Arc::new(self.server.clone()), receiver)).await
    }

    /// Calls another.
    pub async fn ask(&self, to: &Server, body: impl Into<Bytes>) -> Result<Bytes, TransportError> {
        soon("the end of a call", self.transport.request(to, body.into(), LONG)).await
    }

    /// Pushes to a user of a frontend of the type `front`.
    pub async fn push(&self, uid: &str, body: &str) -> Result<(), TransportError> {
        self.transport.publish(Address::Push { frontend_type: "front", uid }, body.to_owned().into()).await
    }

    /// Kicks such a user.
    pub async fn kick(&self, uid: &str, body: &str) -> Result<(), TransportError> {
        self.transport.publish(Address::Kick { frontend_type: "front", uid }, body.to_owned().into()).await
    }

    /// Returns when all that this one has sent to that one before has been handed over: both are on one broker, and
    /// a call goes the same way. Pushes have their own: this is about their own, too.
    pub async fn settled(&self, that: &Self, uid: &str) {
        self.push(uid, "the last").await.expect("it is on its way");
        that.recorder.has("push the last").await;
    }
}

/// Two frontends of the type `front` and a backend.
#[derive(Debug)]
pub struct TestPeers<T> {
    /// The first.
    pub one: Peer<T>,
    /// The second.
    pub two: Peer<T>,
    /// The backend.
    pub back: Peer<T>,
}

impl<T: Transport> TestPeers<T> {
    /// Starts three servers.
    pub async fn start(mut transport: impl FnMut() -> T) -> Self {
        let servers = Arc::default();
        let front = |id: &str| Server::new("front", id).frontend(true);
        Self {
            one: Peer::start_among(&servers, front("front-1"), transport()).await,
            two: Peer::start_among(&servers, front("front-2"), transport()).await,
            back: Peer::start_among(&servers, Server::new("back", "back-1"), transport()).await,
        }
    }

    /// Each server answers its own requests, and what is empty stays so.
    pub async fn a_request_is_answered_by_the_server_it_is_for(&self) {
        let Self { one, two, back } = self;
        for (from, to) in [(one, two), (two, one), (back, one), (one, back), (one, one)] {
            let body = format!("from {} to {}", from.server.id, to.server.id);
            assert_eq!(from.ask(&to.server, body.clone()).await, Ok(body.clone().into()));
            assert_eq!(to.recorder.recorded(&format!("request {body}")).len(), 1, "{body}");
            assert_eq!(from.ask(&to.server, "").await, Ok(Bytes::new()));
        }
    }

    /// A missing server is reported as no responders, a silent one as a timeout.
    pub async fn missing_server_has_no_responders(&self) {
        let nobody = Server::new("front", "nobody").frontend(true);
        assert_eq!(self.one.ask(&nobody, "hello").await, Err(TransportError::NoResponders));
    }

    /// A silent server is a timeout, and nothing before that.
    pub async fn a_server_that_does_not_answer_in_time_is_a_timeout(&self) {
        let began = tokio::time::Instant::now();
        let timeout = Duration::from_millis(100);
        let answer = self.one.transport.request(&self.two.server, "never".into(), timeout).await;
        assert_eq!(answer, Err(TransportError::Timeout));
        assert!(began.elapsed() >= timeout);
    }

    /// An invalid address never reaches the broker.
    pub async fn invalid_id_or_uid_is_refused(&self) {
        for bad in ["", "a b", "a.*.b", "a.>.b", "a\r\nPUB x 0", ">"] {
            let refused = Err(TransportError::BadAddress(bad.into()));
            assert_eq!(self.one.push(bad, "x").await, refused);
            assert_eq!(self.one.transport.serve_user(bad).await, refused);
            assert_eq!(self.one.ask(&Server::new("back", bad), "x").await.map(drop), refused);
            let to = Address::Bindings { server_type: bad };
            assert_eq!(self.one.transport.publish(to, Bytes::new()).await, refused);
            self.one.transport.forget_user(bad);
        }
    }

    /// Nothing is sent that the other side would not take, and no caller waits for an answer that cannot be sent.
    pub async fn what_is_too_large_is_an_error_for_both_sides(&self) {
        let Self { one, two, .. } = self;
        let limit = 1024 * 1024;
        let large = Bytes::from(vec![b'x'; limit + 1]);
        let refused = TransportError::TooLarge { size: limit + 1, limit };
        assert_eq!(one.ask(&two.server, large.clone()).await, Err(refused.clone()));
        let to = Address::Push { frontend_type: "front", uid: "ann" };
        assert_eq!(one.transport.publish(to, large.clone()).await, Err(refused));
        assert_eq!(one.ask(&two.server, large.slice(1..)).await.map(|answer| answer.len()), Ok(limit));

        assert_eq!(one.ask(&two.server, format!("big {limit}")).await.map(|answer| answer.len()), Ok(limit));
        let answer = one.ask(&two.server, format!("big {}", limit + 1)).await.unwrap();
        let error = response::read(answer).unwrap_err();
        assert_eq!(error.code(), "PIT-500", "{error}");
    }

    /// A request that waits delays no other request.
    pub async fn requests_are_handled_beside_each_other(&self) {
        let Self { one, two, .. } = self;
        let waiting = join_all((0..100).map(|n| one.ask(&two.server, format!("wait {n}"))));
        let others = async {
            two.recorder.has_many("request wait", 100).await;
            assert_eq!(one.ask(&two.server, "quick").await, Ok("quick".into()));
            two.recorder.open();
        };
        let (answers, ()) = tokio::join!(waiting, others);
        for (n, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer, Ok(format!("wait {n}").into()));
        }
    }

    /// The order of each sender to each user, however many there are.
    pub async fn ten_thousand_pushes_to_one_user_arrive_in_order(&self) {
        let Self { one, two, back } = self;
        one.transport.serve_user("ann").await.unwrap();
        for n in 0..10_000 {
            back.push("ann", &format!("back {n}")).await.unwrap();
            if n % 10 == 0 {
                two.push("ann", &format!("two {n}")).await.unwrap();
            }
        }
        one.recorder.has_many("push back", 10_000).await;
        let expected: Vec<_> = (0..10_000).map(|n| format!("push back {n}")).collect();
        assert!(one.recorder.recorded("push back") == expected, "the order is another");
        one.recorder.has_many("push two", 1000).await;
        let expected: Vec<_> = (0..1000).map(|n| format!("push two {}", n * 10)).collect();
        assert!(one.recorder.recorded("push two") == expected, "the order is another");
        assert!(two.recorder.recorded("push").is_empty());
    }

    /// Served twice is served once, and forgotten when it was forgotten twice.
    pub async fn user_is_served_until_all_forget_it(&self) {
        let Self { one, back, .. } = self;
        back.push("ann", "too early").await.unwrap();
        // goes the same way: the push has passed the broker when this is answered
        back.ask(&one.server, "").await.unwrap();
        one.transport.serve_user("ann").await.unwrap();
        one.transport.serve_user("ann").await.unwrap();
        one.transport.serve_user("bob").await.unwrap();
        back.push("ann", "first").await.unwrap();
        back.kick("ann", "out").await.unwrap();
        one.recorder.has("push first").await;
        one.recorder.has("kick out").await;
        one.transport.forget_user("ann");
        back.push("ann", "second").await.unwrap();
        one.recorder.has("push second").await;
        one.transport.forget_user("ann");
        one.transport.forget_user("ann");
        // goes the same way as the forgetting, which is done when this returns
        one.transport.serve_user("cid").await.unwrap();
        back.push("ann", "too late").await.unwrap();
        back.settled(one, "bob").await;
        assert_eq!(one.recorder.recorded("push"), ["push first", "push second", "push the last"]);
        one.transport.serve_user("ann").await.unwrap();
        back.push("ann", "again").await.unwrap();
        one.recorder.has("push again").await;
        assert_eq!(one.recorder.recorded("kick"), ["kick out"]);
    }

    /// A binding reaches all servers of the type, the sender too, and no other server.
    pub async fn a_binding_is_told_to_all_servers_of_the_type(&self) {
        let Self { one, two, back } = self;
        for (from, body) in [(one, "ann"), (back, "bob")] {
            let to = Address::Bindings { server_type: "front" };
            from.transport.publish(to, body.into()).await.unwrap();
            for to in [one, two] {
                to.recorder.has(&format!("bound {body}")).await;
            }
        }
        let to = Address::Bindings { server_type: "back" };
        one.transport.publish(to, "cid".into()).await.unwrap();
        back.recorder.has("bound cid").await;
        assert_eq!(back.recorder.recorded("bound"), ["bound cid"]);
        assert_eq!(one.recorder.recorded("bound").len(), 2);
    }

    /// Exactly one.
    pub async fn a_broadcast_reaches_the_one_frontend_it_is_for(&self) {
        let Self { one, two, back } = self;
        for n in 0..100 {
            let body = format!("{n}");
            back.transport.publish(Address::Broadcast(&two.server), body.into()).await.unwrap();
        }
        two.recorder.has_many("broadcast", 100).await;
        let expected: Vec<_> = (0..100).map(|n| format!("broadcast {n}")).collect();
        assert_eq!(two.recorder.recorded("broadcast"), expected);
        assert!(one.recorder.recorded("broadcast").is_empty());
        // To a frontend that takes no broadcasts: no server receives it.
        one.transport.publish(Address::Broadcast(&back.server), "x".into()).await.unwrap();
    }

    /// A drain answers requests that arrived before, and refuses later ones immediately. Pushes are unaffected.
    pub async fn drain_answers_what_arrived_before(&self) {
        let Self { one, two, back } = self;
        two.transport.serve_user("ann").await.unwrap();
        let asked = join_all((0..500).map(|n| one.ask(&two.server, format!("wait {n}"))));
        let draining = async {
            two.recorder.has_many("request wait", 500).await;
            let drain = two.transport.drain();
            tokio::pin!(drain);
            let early = tokio::time::timeout(Duration::from_millis(50), &mut drain).await;
            assert!(early.is_err(), "the drain ended before the requests");
            assert_eq!(back.ask(&two.server, "late").await, Err(TransportError::NoResponders));
            two.recorder.open();
            tokio::join!(soon("the drain", drain), soon("another drain", two.transport.drain()));
            back.settled(two, "ann").await;
            two.transport.drain().await;
        };
        let (answers, ()) = tokio::join!(asked, draining);
        for (n, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer, Ok(format!("wait {n}").into()));
        }
        assert_eq!(one.ask(&two.server, "late").await, Err(TransportError::NoResponders));
        assert!(two.recorder.recorded("request late").is_empty());
    }

    /// Messages sent before a close arrive. Afterwards every call fails immediately.
    pub async fn close_keeps_what_was_sent_before(&self) {
        let Self { one, two, back } = self;
        one.transport.serve_user("ann").await.unwrap();
        for n in 0..1000 {
            back.push("ann", &format!("{n}")).await.unwrap();
        }
        soon("the close", back.transport.close()).await;
        soon("another close", back.transport.close()).await;
        one.recorder.has_many("push", 1000).await;
        assert!(!back.transport.is_connected());
        assert_eq!(back.push("ann", "late").await, Err(TransportError::Unavailable));
        assert_eq!(back.ask(&one.server, "late").await, Err(TransportError::Unavailable));
        soon("a drain after it", back.transport.drain()).await;
        back.transport.forget_user("ann");
        assert_eq!(one.ask(&back.server, "late").await, Err(TransportError::NoResponders));

        // A waiting call fails.
        let (answer, ()) = tokio::join!(one.ask(&two.server, "never"), async {
            two.recorder.has("request never").await;
            soon("the close", one.transport.close()).await;
        });
        assert_eq!(answer, Err(TransportError::Lost));
    }
}

/// Makes a test of each promise that every transport keeps: `[ATTRIBUTES OF A TEST] START`. `START` is a future of a
/// service, which is kept until the test ends, and of [`TestPeers`] on it. `; PROMISE…` chooses among them.
#[macro_export]
macro_rules! transport_promises {
    (@each $attributes:tt $start:expr; $($promise:ident)*) => {
        $( $crate::transport_promises! { @one $attributes $start; $promise } )*
    };
    (@one [$(#[$attribute:meta])*] $start:expr; $promise:ident) => {
        $(#[$attribute])*
        async fn $promise() {
            let (_service, peers) = $start.await;
            peers.$promise().await;
        }
    };
    ([$(#[$attribute:meta])*] $start:expr; $($promise:ident)*) => {
        $crate::transport_promises! { @each [$(#[$attribute])*] $start; $($promise)* }
    };
    ([$(#[$attribute:meta])*] $start:expr) => {
        $crate::transport_promises! { @each [$(#[$attribute])*] $start;
            a_request_is_answered_by_the_server_it_is_for
            missing_server_has_no_responders
            a_server_that_does_not_answer_in_time_is_a_timeout
            invalid_id_or_uid_is_refused
            what_is_too_large_is_an_error_for_both_sides
            requests_are_handled_beside_each_other
            ten_thousand_pushes_to_one_user_arrive_in_order
            user_is_served_until_all_forget_it
            a_binding_is_told_to_all_servers_of_the_type
            a_broadcast_reaches_the_one_frontend_it_is_for
            drain_answers_what_arrived_before
            close_keeps_what_was_sent_before
        }
    };
}
