//! A hundred concurrent clients with the same bad input. The server holds bounded resources meanwhile, and none
//! afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use pitaya_tests::raw_client::{Got, RawClient, notify, request};
use pitaya_tests::{soon, until};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::bad_client::{BadClient, Stage};
use super::bench_server::{BenchServer, Door, Held};

/// How many do it.
const CROWD: usize = 100;
/// How long after the handler's timeout the server may hold something. Long, for slow machines.
const SLACK: Duration = Duration::from_secs(15);

/// How many of them arrive at a time: who is on its way has a deadline too.
const ARRIVING: usize = 8;

/// The time that handlers have where a test waits for its end, and the shortest of the deadlines there.
const HANDLER_TIMEOUT: Duration = Duration::from_secs(2);
/// The configuration of a server whose deadlines a test waits for.
const SHORT: [(&str, &str); 6] = [
    ("PITAYA_SESSION_OUTBOX_BYTES", "256KiB"),
    ("PITAYA_HANDLER_TIMEOUT", "2s"),
    ("PITAYA_LIMIT_PACKET_DEADLINE", "2s"),
    ("PITAYA_BUFFER_AGENT_CONNTIMEOUT", "2s"),
    ("PITAYA_LIMIT_HEADER_DEADLINE", "3s"),
    ("PITAYA_LIMIT_HANDSHAKE_DEADLINE", "3s"),
];
/// The configuration of one whose deadlines are never met, and for which a bomb need not be a large one.
const LONG: [(&str, &str); 3] = [
    ("PITAYA_LIMIT_INFLATED", "256KiB"),
    ("PITAYA_LIMIT_HEADER_DEADLINE", "5m"),
    ("PITAYA_LIMIT_HANDSHAKE_DEADLINE", "5m"),
];
/// How often a group of clients is started again if a deadline closed it before the check.
const ATTEMPTS: usize = 10;

/// The result for the client.
#[derive(Clone, Debug)]
enum Outcome {
    /// The server closes, and says this before, or nothing.
    Closed(Option<&'static str>),
    /// The server answers with this.
    Answered(&'static str),
    /// A byte a second follows, until the server closes.
    Trickles,
    /// The client disconnects immediately, and its handler keeps running.
    Leaves,
    /// The client is pushed to and reads nothing, until the server closes.
    Pushed,
    /// The client asks on and reads nothing, until the server closes.
    Insists(Vec<u8>),
}

/// One bad thing.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    name: String,
    from: Stage,
    /// The messages to send, in order; a group of clients for each alternative.
    says: Vec<Vec<Vec<u8>>>,
    unframed: bool,
    /// Only a deadline ends it: the server is seen to hold it.
    held: bool,
    outcome: Outcome,
}

impl Case {
    /// Clients that have come to a stage, say nothing, and are closed without a word.
    pub(crate) fn new(name: impl Into<String>, from: Stage) -> Self {
        let (says, outcome) = (vec![Vec::new()], Outcome::Closed(None));
        Self { name: name.into(), from, says, unframed: false, held: false, outcome }
    }

    /// They say this, as a message of its own where the transport has messages.
    pub(crate) fn says(mut self, bytes: impl AsRef<[u8]>) -> Self {
        let choice = self.says.last_mut().expect("there is always one");
        choice.push(bytes.as_ref().to_vec());
        self
    }

    /// A crowd more that says this instead, at the same time.
    pub(crate) fn or(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.says.push(Vec::new());
        self.says(bytes)
    }

    /// Sends without framing.
    pub(crate) fn unframed(mut self) -> Self {
        self.unframed = true;
        self
    }

    /// Only a deadline closes them.
    pub(crate) fn held(mut self) -> Self {
        self.held = true;
        self
    }

    /// They receive these bytes before they are closed.
    pub(crate) fn told(self, words: &'static str) -> Self {
        Self { outcome: Outcome::Closed(Some(words)), ..self }
    }

    /// They are answered, and not closed.
    pub(crate) fn answered(self, words: &'static str) -> Self {
        Self { outcome: Outcome::Answered(words), ..self }
    }

    /// They go on with a byte a second.
    pub(crate) fn trickles(self) -> Self {
        Self { outcome: Outcome::Trickles, ..self.held() }
    }

    /// They leave a handler behind.
    pub(crate) fn leaves(self) -> Self {
        Self { outcome: Outcome::Leaves, ..self.held() }
    }

    /// They never read while they are pushed to.
    pub(crate) fn pushed(self) -> Self {
        Self { outcome: Outcome::Pushed, ..self.held() }
    }

    /// They never read while they ask for more.
    pub(crate) fn insists(self, bytes: impl AsRef<[u8]>) -> Self {
        Self { outcome: Outcome::Insists(bytes.as_ref().to_vec()), ..self.held() }
    }
}

/// A client that is answered throughout.
struct Healthy {
    answered: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Healthy {
    async fn start(server: &BenchServer) -> Self {
        let mut client = RawClient::ready(server.at(Door::Tcp)).await;
        let answered = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&answered);
        let task = tokio::spawn(async move {
            loop {
                let body = count.load(SeqCst).to_string();
                let answer = client.call("bench.echo.raw", &body).await;
                assert!(matches!(&answer, Got::Response { error: false, .. }), "{answer:?}");
                assert_eq!(answer.text(), body);
                count.fetch_add(1, SeqCst);
                tokio::time::sleep(Duration::from_millis(2)).await; // it leaves the others some processor
            }
        });
        let healthy = Self { answered, task };
        healthy.is_answered("before anything").await;
        healthy
    }

    /// Looks that it is answered now, more than once.
    async fn is_answered(&self, name: &str) {
        let before = self.answered.load(SeqCst);
        until(name, || self.answered.load(SeqCst) >= before + 3 || self.task.is_finished()).await;
        assert!(!self.task.is_finished(), "{name}: the healthy client was not answered");
    }
}

impl Drop for Healthy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts the clients of each case at a door, case after case. Cases that only deadlines end run at a second server with
/// short ones, concurrently.
pub(crate) async fn crowds(door: Door, cases: Vec<Case>) {
    let (held, at_once): (Vec<_>, Vec<_>) = cases.into_iter().partition(|case| case.held);
    assert!(!held.is_empty() && !at_once.is_empty());
    tokio::join!(play_all(door, &SHORT, held), play_all(door, &LONG, at_once));
}

async fn play_all(door: Door, env: &[(&str, &str)], cases: Vec<Case>) {
    let server = BenchServer::start(env).await;
    let healthy = Healthy::start(&server).await;
    let mut watcher = RawClient::ready(server.at(Door::Tcp)).await;
    let before = server.held(&mut watcher).await;
    let mut scene = Scene { server, healthy, watcher, before, crowd: 0 };
    for case in cases {
        scene.play(door, &case).await;
    }
}

struct Scene {
    server: BenchServer,
    healthy: Healthy,
    watcher: RawClient,
    before: Held,
    /// How many there are now.
    crowd: usize,
}

/// A deadline came before the server was seen to hold the crowd.
struct TooLate;

impl Scene {
    async fn play(&mut self, door: Door, case: &Case) {
        let name = format!("{door:?}: {}", case.name);
        self.crowd = CROWD * case.says.len();
        for _ in 0..ATTEMPTS {
            let began = Instant::now();
            let seen = self.attempt(&name, door, case).await;
            // On a machine that has other things to do.
            let may_be_late = case.held && began.elapsed() >= HANDLER_TIMEOUT;
            assert!(seen.is_ok() || may_be_late, "{name}: the server does not hold the whole crowd");
            self.is_as_before(&name).await;
            if seen.is_ok() {
                return;
            }
        }
        panic!("{name}: the crowd was late {ATTEMPTS} times");
    }

    async fn attempt(&mut self, name: &str, door: Door, case: &Case) -> Result<(), TooLate> {
        let began = Instant::now();
        let arrivals = (0..self.crowd).map(|_| BadClient::arrive(&self.server, door, case.from));
        let arrived: Option<Vec<_>> =
            stream::iter(arrivals).buffered(ARRIVING).collect::<Vec<_>>().await.into_iter().collect();
        let mut crowd = arrived.ok_or(TooLate)?;
        if case.unframed {
            crowd = crowd.into_iter().map(BadClient::unframed).collect();
        }
        let has_session = door == Door::Tcp || case.from >= Stage::Opened;
        let all_in = async {
            while !self.is_raised(has_session).await {
                if case.held && began.elapsed() >= HANDLER_TIMEOUT {
                    return Err(TooLate);
                }
            }
            Ok(())
        };
        soon(name, all_in).await?;

        // The server reads nothing until all clients have sent everything. So the measurement begins after sending.
        self.server.stand_still().await;
        let mut said = true;
        for (client, choice) in crowd.iter_mut().zip(case.says.iter().cycle()) {
            for bytes in choice {
                said &= client.say(bytes).await;
            }
        }
        let raised = self.server.descriptors() >= self.before.descriptors + self.crowd;
        self.server.go_on();
        if !(said && raised && (!case.held || self.is_raised(has_session).await)) {
            return Err(TooLate);
        }
        self.ends(name, case, crowd).await
    }

    /// Whether it holds the whole crowd beside what was before.
    async fn is_raised(&mut self, has_session: bool) -> bool {
        let (held, before) = (self.server.held(&mut self.watcher).await, self.before);
        held.descriptors >= before.descriptors + self.crowd
            && held.tasks >= before.tasks + self.crowd
            && (!has_session || held.sessions >= before.sessions + self.crowd)
    }

    /// Sees the case to its end. No client closes before the server does, or has answered.
    async fn ends(&mut self, name: &str, case: &Case, mut crowd: Vec<BadClient>) -> Result<(), TooLate> {
        match &case.outcome {
            Outcome::Closed(told) => {
                for heard in join_all(crowd.iter_mut().map(|client| client.ended(name))).await {
                    is_told(name, case.from, *told, &heard);
                }
            }
            Outcome::Answered(words) => {
                let heard = join_all(crowd.iter_mut().map(|client| client.hear(words))).await;
                assert!(heard.into_iter().all(|heard| heard), "{name}: closed before {words:?}");
            }
            Outcome::Trickles => {
                for heard in join_all(crowd.iter_mut().map(|client| client.trickle(name))).await {
                    is_told(name, case.from, None, &heard);
                }
            }
            Outcome::Leaves => {
                crowd.clear();
                let held = self.sessions_gone(name).await;
                if held.tasks < self.before.tasks + self.crowd {
                    return Err(TooLate); // the handlers have ended with their clients
                }
            }
            Outcome::Pushed => {
                self.pushes_until_gone(name).await;
                join_all(crowd.iter_mut().map(|client| client.ended(name))).await;
            }
            Outcome::Insists(bytes) => {
                join_all(crowd.iter_mut().map(|client| client.insist(bytes))).await;
            }
        }
        self.healthy.is_answered(name).await;
        Ok(())
    }

    /// Waits until the crowd has no session any more.
    async fn sessions_gone(&mut self, name: &str) -> Held {
        soon(name, async {
            loop {
                let held = self.server.held(&mut self.watcher).await;
                if held.sessions == self.before.sessions {
                    return held;
                }
            }
        })
        .await
    }

    /// Tells the group so much that who reads nothing is too slow for it.
    async fn pushes_until_gone(&mut self, name: &str) {
        let say = notify("bench.fan.say", format!(r#"{{"text":"{}"}}"#, "x".repeat(60_000)).as_bytes());
        soon(name, async {
            while self.server.held(&mut self.watcher).await.sessions > self.before.sessions {
                self.watcher.send(&say).await;
            }
        })
        .await;
    }

    /// Waits until the server holds exactly what it held before the first case.
    async fn is_as_before(&mut self, name: &str) {
        let mut now = self.before;
        let back = async {
            loop {
                now = self.server.held(&mut self.watcher).await;
                if now == self.before {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = tokio::time::timeout(HANDLER_TIMEOUT + SLACK, back).await;
        assert!(in_time.is_ok(), "{name}: {now:?} is left, {:?} was before", self.before);
    }
}

/// Checks what a client was told before it was closed.
fn is_told(name: &str, from: Stage, told: Option<&str>, heard: &[u8]) {
    let text = String::from_utf8_lossy(heard);
    match told {
        Some(words) => assert!(text.contains(words), "{name}: {text:?}"),
        // What TLS and HTTP say to a stranger is their own affair; a WebSocket is closed with a close frame.
        None if from == Stage::Connected || heard.first() == Some(&0x88) => {}
        None => assert_eq!(text, "", "{name}"),
    }
}

/// A request of many bytes.
pub(crate) fn large_request() -> Vec<u8> {
    request(1, "bench.echo.raw", &[b'x'; 60_000]).to_vec()
}
