//! The cluster of a test.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::acceptor::memory_acceptor;
use super::discovery::SimulatedDiscovery;
use super::faults::Faults;
use super::server::TestServer;
use super::shared::{ServerHandle, Shared};
use super::simulator::Simulator;
use super::trace::Trace;
use crate::app::{App, Builder};
use crate::cluster::{MemoryBroker, MemoryRegistry};
use crate::error::Result;
use crate::util::clock::Clock;
use crate::util::sync::Mutex;

/// Servers of one cluster in this process; see [the module](super).
///
/// It lives as long as the cluster or one of its [`TestServer`]s. Dropping the last of them [kills](Self::crash) the
/// running servers and drops all messages in flight: keep it until the end of the test.
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
/// let known = || gate.app().servers().unwrap().view().of_type("hall").len();
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

/// 2020-01-01: the start of every simulation, by the wall clocks of its servers.
const START_TIME: Duration = Duration::from_secs(1_577_836_800);

/// How long a lost server stays listed, as in the default configuration.
const LEASE: Duration = Duration::from_secs(60);

/// How many messages in a causal chain [`settle`](Cluster::settle) waits for. The framework's longest chain has five: a
/// backend binds a user, and another bind is announced again.
const MAX_CHAIN: usize = 16;

impl Cluster {
    /// Creates a cluster without servers and without [faults](Self::faults), whose leases last 60 s.
    ///
    /// It seeds this thread's `fastrand` generator too, which routers and request ids use.
    ///
    /// Without paused time it works too, but [one seed is many runs](super#one-seed-one-run), and it logs a warning.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::with_lease(seed, LEASE)
    }

    /// Creates a cluster with another lease time: how long a crashed or disconnected server stays listed.
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

    /// Starts a backend of a type. `build` adds state, components and configuration.
    ///
    /// Its id is the type with a number, `room-1`, which counts up per type, unless `build` sets another. Pass `|app|
    /// app` to add nothing.
    ///
    /// All servers share one group store, without delays or losses: [faults](Faults), [isolation](Self::isolate) and
    /// crashes do not affect it. Set another one with [`group_store`](Builder::group_store), for instance
    /// `MemoryStore::new()` for a server's own groups.
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

    /// Starts a frontend of a type with an acceptor in memory, to which [`TestServer::client`] connects. Otherwise as
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
        let number = self.shared.count(server_type);
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
        let number = self.shared.add(ServerHandle { app: running.app().clone(), transport, discovery });
        let (id, cluster) = (running.app().server_id().into(), Arc::clone(&self.shared));
        Ok(TestServer { id, number, running, dialer, ahead, cluster })
    }

    /// Sets the faults of later messages. Messages in flight are not affected.
    pub fn faults(&self, faults: Faults) {
        self.shared.simulator.set_faults(faults);
    }

    /// Partitions two servers, in both directions, as when brokers of a cluster lose each other. Messages between them
    /// are lost, and neither server notices before [`heal`](Self::heal). Both still reach the registry and all other
    /// servers.
    pub fn partition(&self, a: &TestServer, b: &TestServer) {
        self.shared.simulator.note(format_args!("{} and {} are parted", a.id, b.id));
        self.shared.simulator.cut(&a.id, &b.id);
    }

    /// Disconnects a server from the registry and from all servers. It notices immediately: its calls fail with
    /// `PIT-503`. Calls of it fail too, until its lease ends and the other servers remove it. It still serves its own
    /// clients, and keeps its list of servers.
    ///
    /// The isolation belongs to the id until [`heal`](Self::heal): after a [crash](Self::crash), a server with the same
    /// id does not start before.
    pub fn isolate(&self, server: &TestServer) {
        self.shared.simulator.note(format_args!("{} is isolated", server.id));
        self.shared.state().isolated.insert(Arc::clone(&server.id));
        self.shared.broker.set_reachable(&server.id, false);
        self.shared.registry.set_reachable(&server.id, false);
    }

    /// Ends every [partition](Self::partition) and [isolation](Self::isolate). The affected servers reconnect.
    pub fn heal(&self) {
        let Shared { simulator, broker, registry, .. } = &*self.shared;
        simulator.note(format_args!("all is healed"));
        let isolated = std::mem::take(&mut self.shared.state().isolated);
        let parted = simulator.end_cuts();
        for id in &isolated {
            registry.set_reachable(id, true);
            broker.set_reachable(id, true);
        }
        for id in parted.difference(&isolated) {
            broker.send_reconnected(id);
        }
    }

    /// Ends a server's lease immediately. The other servers remove it, and it registers again as soon as it notices.
    pub fn lose_lease(&self, server: &TestServer) {
        self.shared.simulator.note(format_args!("{} loses its lease", server.id));
        self.shared.registry.drop_lease(&server.id);
    }

    /// Kills a server, as the end of its process would. Its clients lose their connections, calls of it fail with
    /// `PIT-503`, its running calls get no answer, and the other servers list it until its lease ends. Its handlers,
    /// remotes and timers stop where they wait, and have no further effect, not even on state shared with other
    /// servers. Close callbacks do not run, and components and modules do not shut down.
    ///
    /// Tasks that it started with `tokio::spawn` keep running, because only the test's runtime knows them. Their calls
    /// fail.
    pub fn crash(&self, server: TestServer) {
        self.shared.simulator.note(format_args!("{} crashes", server.id));
        server.cluster.kill(server.number);
    }

    /// Waits until no message is in flight and every task is idle. It does not wait for sleeping calls and timeouts.
    /// Paused time advances by as much as the messages take.
    ///
    /// Endless traffic, such as that of a timer, does not block it: it waits for all messages in flight, then for all
    /// that are in flight afterwards, sixteen times at most. Earlier messages have arrived by then, with all that
    /// follows from them in chains of up to sixteen messages.
    pub async fn settle(&self) {
        for _ in 0..MAX_CHAIN {
            if let Some(last) = self.shared.simulator.last_arrival() {
                tokio::time::sleep_until(last).await;
            }
            // Paused time advances only when every task is idle.
            tokio::time::sleep(Duration::from_millis(1)).await;
            if self.shared.simulator.last_arrival().is_none() {
                return;
            }
        }
    }

    /// Returns the virtual time since the start.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.shared.simulator.now()
    }

    /// Returns the trace of all messages until now.
    #[must_use]
    pub fn trace(&self) -> Trace {
        self.shared.simulator.trace()
    }
}

/// Whether time is paused, which needs a runtime of one thread. Once the machine's clock has advanced, time that is not
/// paused has advanced too.
fn is_paused() -> bool {
    let (then, began) = (tokio::time::Instant::now(), std::time::Instant::now());
    while began.elapsed().is_zero() {
        std::hint::spin_loop();
    }
    tokio::time::Instant::now() == then
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
