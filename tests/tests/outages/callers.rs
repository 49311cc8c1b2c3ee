//! Clients that call repeatedly, and the results of their calls.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pitaya_tests::programs::{Brokers, Program};
use pitaya_tests::raw_client::{Got, RawClient};
use pitaya_tests::until;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const SERVER: &str = env!("CARGO_BIN_EXE_tested-e2e-server");

/// A route that a frontend serves itself.
pub(crate) const LOCAL: &str = "connector.testsvc.testrequestreceivereturnsraw";
/// A route that a frontend forwards.
pub(crate) const REMOTE: &str = "game.testsvc.testrequestreceivereturnsraw";

/// The limit for a call that fails immediately: half of the five seconds that calls wait.
pub(crate) const AT_ONCE: Duration = Duration::from_millis(2500);

/// The longest recovery once a broker or a registry is back.
pub(crate) const BACK: Duration = Duration::from_secs(5);

/// Its clients need not say anything for as long as a test takes.
pub(crate) async fn front(brokers: &Brokers, env: &[(&str, &str)]) -> Program {
    let env = [&[("PITAYA_HEARTBEAT_INTERVAL", "10m")], env].concat();
    brokers.server_with(Path::new(SERVER), "connector", true, &env).await
}

pub(crate) async fn back(brokers: &Brokers, env: &[(&str, &str)]) -> Program {
    brokers.server_with(Path::new(SERVER), "game", false, env).await
}

/// One that is not of the types above.
pub(crate) async fn other(brokers: &Brokers, server_type: &str, env: &[(&str, &str)]) -> Program {
    brokers.server_with(Path::new(SERVER), server_type, false, env).await
}

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) sent: Instant,
    pub(crate) took: Duration,
    /// Nothing if it went well.
    pub(crate) code: Option<String>,
}

impl Call {
    pub(crate) fn is_ok(&self) -> bool {
        self.code.is_none()
    }
}

/// All calls of one client.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    name: &'static str,
    pub(crate) calls: Vec<Call>,
}

impl Seen {
    /// Those that went out from then on.
    pub(crate) fn since(&self, then: Instant) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(move |call| call.sent >= then)
    }

    pub(crate) fn failed(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|call| !call.is_ok())
    }

    /// Prints one line of it.
    pub(crate) fn print(&self) {
        let slowest =
            |calls: &mut dyn Iterator<Item = &Call>| calls.map(|call| call.took).max().unwrap_or_default();
        let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
        for code in self.failed().filter_map(|call| call.code.as_deref()) {
            *codes.entry(code).or_default() += 1;
        }
        println!(
            "{:<16} {:>6} ok, slowest {:>9.1?}; failed {codes:?}, slowest {:.1?}",
            self.name,
            self.calls.iter().filter(|call| call.is_ok()).count(),
            slowest(&mut self.calls.iter().filter(|call| call.is_ok())),
            slowest(&mut self.failed()),
        );
    }

    /// Every call went well.
    pub(crate) fn is_all_well(&self) {
        let failed: Vec<_> = self.failed().collect();
        assert!(failed.is_empty() && !self.calls.is_empty(), "{}: {failed:?}", self.name);
    }
}

/// A client that repeats one call, over its own connection.
pub(crate) struct Caller {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Caller {
    /// Asks a server for an echo, with a pause between, until it is stopped.
    pub(crate) async fn start(
        name: &'static str,
        server: &Program,
        route: &'static str,
        pause: Duration,
    ) -> Self {
        let mut client = server.client().await;
        let seen = Arc::new(Mutex::new(Seen { name, calls: Vec::new() }));
        let stop = Arc::new(AtomicBool::new(false));
        let (calls, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let task = tokio::spawn(async move {
            while !stopped.load(SeqCst) {
                let call = ask(&mut client, route).await;
                calls.lock().unwrap_or_else(PoisonError::into_inner).calls.push(call);
                tokio::time::sleep(pause).await;
            }
        });
        Self { seen, stop, task }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until so many calls in a row, from then on, went well. Returns how long after `then` the last one had.
    pub(crate) async fn well_since(&self, then: Instant, times: usize) -> Duration {
        let mut well = Duration::ZERO;
        until("calls that go well", || {
            assert!(!self.task.is_finished(), "{}: the client has ended", self.seen().name);
            let seen = self.seen();
            let mut row = seen.calls.iter().rev().take_while(|call| call.sent >= then && call.is_ok());
            let Some(last) = row.next() else { return false };
            well = last.sent + last.took - then;
            row.count() + 1 >= times
        })
        .await;
        well
    }

    /// Stops it, prints what it saw, and gives it.
    pub(crate) async fn stop(self) -> Seen {
        self.stop.store(true, SeqCst);
        self.task.await.expect("the client was served to the end");
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        seen.print();
        seen
    }
}

async fn ask(client: &mut RawClient, route: &str) -> Call {
    const BODY: &str = "echo";
    let sent = Instant::now();
    let answer = client.ask(route, BODY).await;
    let code = (answer != BODY).then(|| code(&answer));
    Call { sent, took: sent.elapsed(), code }
}

/// Returns the code of an error, or the whole answer if it is not an error.
pub(crate) fn code(answer: &str) -> String {
    let value: Value = serde_json::from_str(answer).unwrap_or_default();
    value["code"].as_str().unwrap_or(answer).to_owned()
}

/// The next push, with its body.
pub(crate) async fn pushed(client: &mut RawClient) -> String {
    loop {
        match client.next().await {
            Some(got @ Got::Push { .. }) => return got.text().to_owned(),
            Some(_) => {}
            None => panic!("closed before the push"),
        }
    }
}

/// Binds a client to a user, who enters a group besides: that it was there already is no failure.
pub(crate) async fn bind(client: &mut RawClient, uid: &str) {
    let said = client.ask("connector.testsvc.testbindid", uid).await;
    assert!(said == "ack" || code(&said) == "PIT-441", "{uid}: {said}");
}

/// Tells users something, by one who is connected to a frontend.
pub(crate) async fn tell(by: &mut RawClient, from: &str, uids: &[&str], msg: &str) {
    let body = serde_json::json!({"uids": uids, "msg": msg});
    by.notify(&format!("{from}.testsvc.testsendtousers"), body.to_string()).await;
}
