//! The cluster, and what a test does to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};
use std::thread::panicking;
use std::time::{Duration, SystemTime};

use super::acceptor::memory_acceptor;
use super::discovery::SimulatedDiscovery;
use super::faults::Faults;
use super::server::TestServer;
use super::simulator::Simulator;
use super::trace::Trace;
use crate::app::{App, Builder};
use crate::cluster::{MemoryBroker, MemoryRegistry, MemoryTransport};
use crate::error::Result;
use crate::group::MemoryStore;
use crate::util::clock::Clock;
use crate::util::sync::Mutex;

/// Servers of one cluster in this process; see [the module](super).
///
/// It lives as long as it or one of its [`TestServer`]s does. With the last of them all that still runs is
/// [killed](Self::crash), and nothing is under way any more: keep it until the end of the test.
///
/// ```standalone_crate
/// use std::time::Duration;
///
/// use pitaya::testing::Cluster;
/// # use pitaya::prelude::*;
/// # #[derive(Component)] pub struct Hall;
/// # #[handler(server = "hall")] impl Hall { pub async fn echo(&self, body: Bytes) -> Result<Bytes> { Ok(body) } }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> pitaya::Result<()> {
/// let cluster = Cluster::with_lease(7, Duration::from_secs(10));
/// let one = cluster.backend("hall", |app| app).await?;
/// let two = cluster.backend("hall", |app| app.server_id("hall-of-fame")).await?;
/// let gate = cluster.frontend("hall", |app| app).await?;
/// let known = || gate.servers().unwrap().view().of_type("hall").len();
///
/// cluster.lose_lease(&one); // it registers itself again
/// cluster.partition(&one, &gate); // both stay registered
/// cluster.settle().await;
/// assert_eq!(known(), 3);
/// cluster.heal();
///
/// cluster.crash(two);
/// tokio::time::sleep(Duration::from_secs(11)).await; // virtual: it takes no time
/// assert_eq!(known(), 2);
/// assert!(cluster.now() >= Duration::from_secs(11));
/// assert!(cluster.trace().lines().any(|line| line.ends_with("hall-3 learns of -hall-of-fame")));
/// # Ok(()) }
/// ```
pub struct Cluster {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) simulator: Arc<Simulator>,
    broker: MemoryBroker,
    registry: MemoryRegistry,
    groups: Arc<MemoryStore>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How many servers of each type have been started.
    count: BTreeMap<String, u32>,
    isolated: BTreeSet<Arc<str>>,
    begun: u64,
    /// Those that have neither stopped nor crashed, in the order in which they began.
    running: BTreeMap<u64, ServerHandle>,
}

/// What it takes to kill a server.
#[derive(Clone)]
struct ServerHandle {
    app: App,
    transport: Arc<MemoryTransport>,
    discovery: Arc<SimulatedDiscovery>,
}

impl ServerHandle {
    fn kill(&self) {
        self.transport.cut();
        self.discovery.crash();
        self.app.kill();
    }
}

/// 2020-01-01: when every simulation begins, by the wall clocks of its servers.
const START_TIME: Duration = Duration::from_secs(1_577_836_800);

/// How long a server that is lost stays known, as in the default configuration.
const LEASE: Duration = Duration::from_secs(60);

/// How many messages that follow from each other are waited for. The longest chain of the framework's own is of five: a
/// backend that binds a user, and another bind that is told again.
const MAX_CHAIN: usize = 16;

impl Cluster {
    /// A cluster without servers and without [faults](Self::faults), whose leases last 60 s.
    ///
    /// Besides its own generator the seed sets that of this thread (`fastrand`), with which routers choose and ids of
    /// requests are made.
    ///
    /// Where time is not paused it works too, but [one seed is many runs](super#one-seed-one-run): a warning is logged.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::with_lease(seed, LEASE)
    }

    /// The same with leases of another length: how long a server that crashed or was cut off from the registry stays
    /// known to the others.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn with_lease(seed: u64, lease: Duration) -> Self {
        if !is_paused() {
            tracing::warn!(
                seed,
                "time is not paused: this seed is another run each time; use `#[tokio::test(start_paused = true)]`"
            );
        }
        fastrand::seed(seed);
        let simulator = Simulator::start(seed);
        let broker = MemoryBroker::seeded(seed);
        broker.set_interceptor(Arc::clone(&simulator) as _);
        let registry = MemoryRegistry::with_lease(lease);
        let (groups, state) = (Arc::default(), Mutex::default());
        Self { shared: Arc::new(Shared { simulator, broker, registry, groups, state }) }
    }

    /// Starts a backend of a type. `build` adds what is the test's own: state, components, configuration.
    ///
    /// Its id is the type with a number, `room-1`, and counts up for each type, unless `build` gives it another. What
    /// stands for `build` when there is nothing to add is `|app| app`.
    ///
    /// Its groups are those of the whole cluster, as with a store that all servers share, but without delays or losses:
    /// no [fault](Faults), [isolation](Self::isolate) or crash touches them. For others give it a
    /// [`group_store`](Builder::group_store); with a `MemoryStore::new()` of its own it has them for itself.
    ///
    /// # Errors
    /// As [`Builder::start`].
    pub async fn backend(
        &self,
        server_type: &str,
        build: impl FnOnce(Builder) -> Builder,
    ) -> Result<TestServer> {
        self.start(server_type, |app| build(app.backend()), None).await
    }

    /// Starts a frontend of a type, with an acceptor in memory, to which [`TestServer::client`] connects. Otherwise as
    /// [`backend`](Self::backend).
    ///
    /// # Errors
    /// As [`Builder::start`].
    pub async fn frontend(
        &self,
        server_type: &str,
        build: impl FnOnce(Builder) -> Builder,
    ) -> Result<TestServer> {
        let (acceptor, dialer) = memory_acceptor();
        self.start(server_type, |app| build(app.acceptor(acceptor)), Some(dialer)).await
    }

    async fn start(
        &self,
        server_type: &str,
        build: impl FnOnce(Builder) -> Builder,
        dialer: Option<super::Dialer>,
    ) -> Result<TestServer> {
        let number = {
            let mut state = self.state();
            let count = state.count.entry(server_type.to_owned()).or_default();
            *count += 1;
            *count
        };
        let Shared { simulator, broker, registry, .. } = &*self.shared;
        let ahead = Arc::new(AtomicU64::new(0));
        let clock = Clock::new({
            let (ahead, simulator) = (Arc::clone(&ahead), Arc::downgrade(simulator));
            move || {
                let now = simulator.upgrade().map(|simulator| simulator.now()).unwrap_or_default();
                SystemTime::UNIX_EPOCH
                    + START_TIME
                    + now
                    + Duration::from_nanos(ahead.load(Ordering::Relaxed))
            }
        });
        let transport = Arc::new(broker.transport());
        let discovery = Arc::new(SimulatedDiscovery::new(registry.discovery(), simulator));
        let app = App::builder()
            .server_type(server_type)
            .server_id(format!("{server_type}-{number}"))
            .transport(Arc::clone(&transport))
            .discovery(Arc::clone(&discovery))
            .group_store(Arc::clone(&self.shared.groups))
            .clock(clock);
        let running = build(app).start().await?;
        let mut state = self.state();
        state.begun += 1;
        let number = state.begun;
        state.running.insert(number, ServerHandle { app: running.app(), transport, discovery });
        drop(state);
        let (id, cluster) = (running.server_id().into(), Arc::clone(&self.shared));
        Ok(TestServer { id, number, running, dialer, ahead, cluster })
    }

    /// What goes wrong from now on. What is under way already is not changed.
    pub fn faults(&self, faults: Faults) {
        self.shared.simulator.set_faults(faults);
    }

    /// Lets two servers not reach each other, in neither direction, as where the brokers of a cluster lose each other:
    /// all that one sends the other is lost, and neither notices before [`heal`](Self::heal). Both reach the registry
    /// and everybody else.
    pub fn partition(&self, a: &TestServer, b: &TestServer) {
        self.shared.simulator.note(format_args!("{} and {} are parted", a.id, b.id));
        self.shared.simulator.cut(&a.id, &b.id);
    }

    /// Cuts a server off from the registry and from everybody, and it notices at once: its calls of others fail with
    /// `PIT-503`, and calls of it do, until its lease ends and the others forget it. It serves its own clients, and
    /// keeps the others in its list.
    ///
    /// It is the place that is cut off, until [`heal`](Self::heal): a server that is to take the same id after a
    /// [crash](Self::crash) does not start before.
    pub fn isolate(&self, server: &TestServer) {
        self.shared.simulator.note(format_args!("{} is isolated", server.id));
        self.state().isolated.insert(Arc::clone(&server.id));
        self.shared.broker.set_reachable(&server.id, false);
        self.shared.registry.set_reachable(&server.id, false);
    }

    /// Ends every [partition](Self::partition) and [isolation](Self::isolate). The servers that were concerned are told
    /// that their connection is back.
    pub fn heal(&self) {
        let Shared { simulator, broker, registry, .. } = &*self.shared;
        simulator.note(format_args!("all is healed"));
        let isolated = std::mem::take(&mut self.state().isolated);
        let parted = simulator.end_cuts();
        for id in &isolated {
            registry.set_reachable(id, true);
            broker.set_reachable(id, true);
        }
        for id in parted.difference(&isolated) {
            broker.send_reconnected(id);
        }
    }

    /// Ends a server's lease at once. The others see it go, and come again as soon as it has noticed.
    pub fn lose_lease(&self, server: &TestServer) {
        self.shared.simulator.note(format_args!("{} loses its lease", server.id));
        self.shared.registry.drop_lease(&server.id);
    }

    /// Ends a server without a word, as a process that is killed: its clients lose their connections, calls of it fail
    /// with `PIT-503`, calls it was busy with get no answer, and the others know it until its lease ends. Its handlers,
    /// remotes and timers are gone where they wait, and do nothing more, not even to what they share with other servers;
    /// its close callbacks do not run, nor do its components and modules shut down.
    ///
    /// What it started by itself, such as with `tokio::spawn`, goes on, for nobody but the test's runtime knows it. Its
    /// calls of others fail.
    pub fn crash(&self, server: TestServer) {
        self.shared.simulator.note(format_args!("{} crashes", server.id));
        server.cluster.kill(server.number);
    }

    /// Waits until what is under way between the servers has arrived, and what that led to, and so on, until nothing is
    /// under way and every task rests. Calls that sleep, and time limits, are not waited for. With time that is paused it
    /// takes as much of it as the messages take.
    ///
    /// Traffic that never ends, such as that of a timer, is not waited for for ever: this waits for all that is under way
    /// now, for all that is under way when that has arrived, and so sixteen times. What was sent before has arrived
    /// by then, with all that follows from it in a chain of up to sixteen messages.
    pub async fn settle(&self) {
        for _ in 0..MAX_CHAIN {
            if let Some(last) = self.shared.simulator.last_arrival() {
                tokio::time::sleep_until(last).await;
            }
            // time that is paused goes on only when nothing else can
            tokio::time::sleep(Duration::from_millis(1)).await;
            if self.shared.simulator.last_arrival().is_none() {
                return;
            }
        }
    }

    /// Virtual time since the beginning.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.shared.simulator.now()
    }

    /// All that passed between the servers until now.
    #[must_use]
    pub fn trace(&self) -> Trace {
        self.shared.simulator.trace()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

/// Whether time stands still, which it does in runtimes of one thread only. The machine's clock tells: once it has gone on,
/// time that is not paused has gone on with it.
fn is_paused() -> bool {
    let (then, began) = (tokio::time::Instant::now(), std::time::Instant::now());
    while began.elapsed().is_zero() {
        std::hint::spin_loop();
    }
    tokio::time::Instant::now() == then
}

impl Shared {
    /// A server has ended by itself.
    pub(super) fn forget(&self, number: u64) {
        let handle = self.state().running.remove(&number);
        drop(handle); // with no lock held: what is in there may lead anywhere
    }

    fn kill(&self, number: u64) {
        let handle = self.state().running.remove(&number);
        handle.iter().for_each(ServerHandle::kill);
    }

    /// Kills all servers that still run, and carries nothing any more.
    pub(super) fn end(&self) {
        let running = std::mem::take(&mut self.state().running);
        running.values().for_each(ServerHandle::kill);
        self.simulator.end();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if panicking() {
            // What users made is not dropped on the way: a panic of it now would hide the one that there is.
            return self.simulator.end();
        }
        self.end();
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("servers", &self.shared.registry.servers()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_that_is_paused_is_told_from_time_that_is_not() {
        for _ in 0..1000 {
            assert!(is_paused());
        }
        tokio::time::resume();
        for _ in 0..1000 {
            assert!(!is_paused());
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn time_of_several_threads_is_never_paused() {
        assert!(!is_paused());
    }
}
