//! Discovery over etcd (`docs/cluster.md`, "Discovery").
//!
//! | part | does |
//! |---|---|
//! | `options` | the configuration |
//! | `machine` | decides which request comes next: pure |
//! | `reconciler` | applies entries and changes to the list of servers: pure |
//! | `connection` | makes the requests, on one connection |
//! | `supervisor` | the task that drives them all |

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::{Discovery, Server, Servers};
use crate::error::{Error, Result, code};
use crate::etcd::LONGEST;
use crate::metrics::{DISCOVERY_FAILURES, DISCOVERY_REGISTRATIONS, DISCOVERY_SKIPPED_ENTRIES, Metric};
use crate::util::sync::Mutex;

mod connection;
mod machine;
mod options;
mod reconciler;
mod supervisor;

use machine::{Limits, Machine};
pub use options::EtcdOptions;
use reconciler::Reconciler;
use supervisor::{Command, Shared, Supervisor};

/// Registers the own server in etcd and follows the other servers. It speaks the protocol of Go Pitaya
///
/// It is tested with etcd 3.4. While etcd is unreachable or frozen, the known servers stay. The server registers again
/// a few seconds after etcd is back. See [`EtcdOptions`] for the times.
///
/// ```no_run
/// use std::sync::Arc;
/// use pitaya::cluster::{Discovery, EtcdDiscovery, EtcdOptions, Server, Servers};
///
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let discovery = EtcdDiscovery::new(EtcdOptions {
///     endpoints: vec!["etcd-1:2379".into(), "etcd-2:2379".into()],
///     ..EtcdOptions::default()
/// });
/// let servers = Arc::new(Servers::default());
/// discovery.join(Arc::new(Server::new("room", "room-1")), servers.clone()).await?;
/// println!("{} rooms", servers.view().of_type("room").len());
/// discovery.close().await;
/// # Ok(()) }
/// ```
///
/// # Building
/// The feature `etcd` compiles etcd's protocol files, for which `protoc` and its standard files are needed:
/// `apt-get install protobuf-compiler libprotobuf-dev`, `brew install protobuf`, or `PROTOC=/path/to/protoc`. A program
/// that is built needs neither.
pub struct EtcdDiscovery {
    options: Arc<EtcdOptions>,
    shared: Arc<Shared>,
    started: AtomicBool,
    /// The task that runs from `join` to `close`.
    task: Mutex<Option<Task>>,
    /// A call that leaves or closes holds it, so that a second call waits for the first.
    ending: tokio::sync::Mutex<Ending>,
}

struct Task {
    own: Arc<Server>,
    commands: mpsc::Sender<Command>,
    handle: JoinHandle<()>,
}

#[derive(Default)]
struct Ending {
    left: bool,
    closed: bool,
}

impl EtcdDiscovery {
    /// Creates a discovery that does nothing until it [joins](Discovery::join).
    #[must_use]
    pub fn new(options: EtcdOptions) -> Self {
        Self {
            options: Arc::new(options),
            shared: Arc::default(),
            started: AtomicBool::new(false),
            task: Mutex::default(),
            ending: tokio::sync::Mutex::default(),
        }
    }

    /// Returns how many invalid entries were skipped. An unchanged entry counts once.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.shared.skipped.load(Ordering::Relaxed)
    }

    /// Returns how often the own server was registered: at the start, for each announced change, and each time its
    /// entry was lost.
    #[must_use]
    pub fn registrations(&self) -> u64 {
        self.shared.registrations.load(Ordering::Relaxed)
    }

    /// Returns how often etcd was lost or could not be reached.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.shared.failures.load(Ordering::Relaxed)
    }

    fn start(&self, own: Arc<Server>, servers: Arc<Servers>) -> Result<oneshot::Receiver<Result<()>>> {
        own.check()?;
        let key = format!("{}{}", self.options.prefix, own.key()?);
        if self.options.endpoints.is_empty() {
            let text = "etcd has no endpoints; set `pitaya.cluster.sd.etcd.endpoints`";
            return Err(Error::new(code::UNAVAILABLE, text));
        }
        // After a close too, because no later call would end it.
        if self.started.swap(true, Ordering::Relaxed) {
            return Err(Error::new(code::INTERNAL, "a discovery joins once; make a new one"));
        }
        let machine = Machine::new(self.limits(), fastrand::Rng::new(), Instant::now());
        let reconciler = Reconciler::new(
            servers,
            Arc::clone(&own),
            self.options.prefix.clone(),
            &self.options.blacklist,
            Arc::clone(&self.shared.skipped),
        );
        let (tell, joined) = oneshot::channel();
        let (options, shared) = (Arc::clone(&self.options), Arc::clone(&self.shared));
        let supervisor = Supervisor::new(options, Arc::clone(&own), key, machine, reconciler, shared, tell);
        let (commands, receiver) = mpsc::channel(16);
        let task = Task { own, commands, handle: tokio::spawn(supervisor.run(receiver)) };
        *self.task.lock() = Some(task);
        Ok(joined)
    }

    fn limits(&self) -> Limits {
        let options = &self.options;
        let sync = options.sync_interval.min(LONGEST);
        Limits {
            endpoints: (0..options.endpoints.len()).map(|endpoint| options.shown(endpoint)).collect(),
            request: options.dial_timeout.min(LONGEST),
            try_: options.grant_lease_timeout.min(LONGEST),
            retry: options.retry_interval.min(LONGEST),
            max_retries: options.max_retries,
            sync: (!sync.is_zero()).then_some(sync),
            ttl: options.heartbeat_ttl.min(LONGEST),
        }
    }

    /// Returns the own server and the sender of commands while the task runs.
    fn task(&self) -> Option<(Arc<Server>, mpsc::Sender<Command>)> {
        let task = self.task.lock();
        task.as_ref().map(|task| (Arc::clone(&task.own), task.commands.clone()))
    }

    async fn leave_once(&self, ending: &mut Ending) {
        if ending.left {
            return;
        }
        let Some((_, commands)) = self.task() else { return };
        let (tell, left) = oneshot::channel();
        // A task that has ended has no registration.
        if commands.send(Command::Leave(tell)).await.is_err() {
            return;
        }
        if timeout(self.options.revoke_timeout.min(LONGEST), left).await.is_err() {
            tracing::warn!("failed to remove the entry of this server from etcd: it expires with its lease");
        }
        sleep(self.options.shutdown_delay.min(LONGEST)).await;
        ending.left = true;
    }
}

impl Discovery for EtcdDiscovery {
    fn join(&self, own: Arc<Server>, servers: Arc<Servers>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let joined = self.start(own, servers)?;
            let ended = || Error::new(code::UNAVAILABLE, "the discovery was closed before it had joined");
            joined.await.unwrap_or_else(|_| Err(ended()))
        })
    }

    fn announce(&self, own: Arc<Server>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let gone = || Error::new(code::UNAVAILABLE, "the server has not joined, or has left");
            let (known, commands) = self.task().ok_or_else(gone)?;
            if (&own.id, &own.server_type) != (&known.id, &known.server_type) {
                return Err(Error::new(code::INTERNAL, "a server cannot change its id or its type"));
            }
            let (tell, registered) = oneshot::channel();
            commands.send(Command::Announce(own, tell)).await.map_err(|_| gone())?;
            // The task ends when all senders are dropped, so this call must not keep one while it waits.
            drop(commands);
            registered.await.unwrap_or_else(|_| Err(gone()))
        })
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move { self.leave_once(&mut *self.ending.lock().await).await })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut ending = self.ending.lock().await;
            if ending.closed {
                return;
            }
            self.leave_once(&mut ending).await;
            ending.closed = true;
            self.started.store(true, Ordering::Relaxed);
            let task = self.task.lock().take();
            if let Some(Task { commands, handle, .. }) = task {
                drop(commands);
                let _ = handle.await;
            }
        })
    }

    fn is_ready(&self) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            let Some(connection) = self.shared.connection() else { return false };
            matches!(timeout(self.options.revoke_timeout.min(LONGEST), connection.ready()).await, Ok(Ok(())))
        })
    }

    fn is_current(&self) -> bool {
        self.shared.current.load(Ordering::Relaxed)
    }

    fn counters(&self) -> Vec<(&'static Metric, u64)> {
        vec![
            (&DISCOVERY_SKIPPED_ENTRIES, self.skipped()),
            (&DISCOVERY_REGISTRATIONS, self.registrations()),
            (&DISCOVERY_FAILURES, self.failures()),
        ]
    }
}

impl fmt::Debug for EtcdDiscovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdDiscovery").field("options", &self.options).finish_non_exhaustive()
    }
}
