//! The task that keeps a server registered and its list current: the shell around [`Machine`] and [`Reconciler`].

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use etcd_client::{Error as EtcdError, KeyValue, WatchResponse, WatchStream};
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::EtcdOptions;
use super::connection::Connection;
use super::machine::{Answer, Fault, Machine, Request, Seen, Sign};
use super::reconciler::{Entry, Event, Reconciler};
use crate::cluster::Server;
use crate::error::{Error, Result, code};
use crate::etcd::Pages;
use crate::util::sync::Mutex;

/// A command for the task.
pub(super) enum Command {
    /// Update the entry of the own server. Answered when etcd has stored it.
    Announce(Arc<Server>, oneshot::Sender<Result<()>>),
    /// Remove the own server. Answered when etcd has removed it.
    Leave(oneshot::Sender<()>),
}

/// The state that callers may read while the task runs.
#[derive(Default)]
pub(super) struct Shared {
    connection: Mutex<Option<Connection>>,
    /// Whether the watch runs and etcd is not silent.
    pub(super) current: AtomicBool,
    pub(super) registrations: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) skipped: Arc<AtomicU64>,
}

impl Shared {
    /// Returns the current connection.
    pub(super) fn connection(&self) -> Option<Connection> {
        self.connection.lock().clone()
    }

    fn set_connection(&self, connection: Option<Connection>) {
        *self.connection.lock() = connection;
    }
}

/// The result of a request, with the parts that the machine does not hold.
enum Outcome {
    Connected(Connection),
    Listed(Pages),
    Watching(Box<WatchStream>),
    Answer(Answer),
}

/// A caller that waits until its announcement is stored.
struct Announced {
    version: u64,
    /// The number of failures when it started to wait.
    failed: u64,
    answer: oneshot::Sender<Result<()>>,
}

pub(super) struct Supervisor {
    options: Arc<EtcdOptions>,
    own: Arc<Server>,
    /// The own key, with the prefix.
    key: String,
    machine: Machine,
    reconciler: Reconciler,
    shared: Arc<Shared>,
    waiting: Waiting,
    connection: Option<Connection>,
    watch: Option<WatchStream>,
    request: Option<BoxFuture<'static, Outcome>>,
}

/// The callers that wait.
#[derive(Default)]
struct Waiting {
    joined: Option<oneshot::Sender<Result<()>>>,
    announced: Vec<Announced>,
    left: Vec<oneshot::Sender<()>>,
}

impl Supervisor {
    /// `key` is the own one, with the prefix. `joined` receives the result of the first registration.
    pub(super) fn new(
        options: Arc<EtcdOptions>,
        own: Arc<Server>,
        key: String,
        machine: Machine,
        reconciler: Reconciler,
        shared: Arc<Shared>,
        joined: oneshot::Sender<Result<()>>,
    ) -> Self {
        let waiting = Waiting { joined: Some(joined), ..Waiting::default() };
        Self {
            options,
            own,
            key,
            machine,
            reconciler,
            shared,
            waiting,
            connection: None,
            watch: None,
            request: None,
        }
    }

    /// Runs until all senders are dropped, or the first registration has failed.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        while self.proceed(Instant::now()) {
            // No server is removed while etcd is silent.
            let gone_at = self.reconciler.deadline().filter(|at| *at < self.machine.silence_limit());
            let deadline = self.machine.deadline().into_iter().chain(gone_at).min();
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => break,
                },
                outcome = maybe(self.request.as_mut(), |request| request) => {
                    self.request = None;
                    self.finish(outcome);
                }
                message = next_message(self.watch.as_mut()), if self.machine.reads_watch() => self.look_at(message),
                () = maybe(deadline, sleep_until) => {}
            }
        }
        self.shared.set_connection(None);
        self.shared.current.store(false, Ordering::Relaxed);
    }

    /// Starts and cancels work to match the machine's state. Returns whether there is anything left to do.
    fn proceed(&mut self, now: Instant) -> bool {
        if now < self.machine.silence_limit() {
            self.reconciler.tick(now);
        }
        if let Some(request) = self.machine.next(now) {
            self.request = Some(self.begin(request));
        }
        if !self.machine.busy() {
            self.request = None;
        }
        if !self.machine.watching() {
            self.watch = None;
        }
        if !self.machine.connected() && self.connection.take().is_some() {
            self.shared.set_connection(None);
        }
        let current = self.machine.watching() && now < self.machine.silence_limit();
        self.shared.current.store(current, Ordering::Relaxed);
        self.shared.registrations.store(self.machine.registrations(), Ordering::Relaxed);
        self.shared.failures.store(self.machine.failed(), Ordering::Relaxed);
        self.tell()
    }

    fn begin(&mut self, request: Request) -> BoxFuture<'static, Outcome> {
        if let Request::Connect(endpoint) = request {
            let options = Arc::clone(&self.options);
            return Box::pin(async move {
                Connection::connect(options, endpoint).await.map_or_else(failed, Outcome::Connected)
            });
        }
        let Some(connection) = self.connection.clone() else {
            // The machine makes no request without a connection.
            let fault = Fault { text: "there is no connection to etcd".to_owned(), refused: false };
            return Box::pin(async move { failed(fault) });
        };
        let (key, value) = (self.key.clone(), self.own.to_json());
        Box::pin(async move {
            Outcome::Answer(match request {
                Request::Grant => connection.grant().await,
                Request::Keep(lease) => connection.keep(lease).await,
                Request::Put(lease) => connection.put(key, value, lease).await,
                Request::Revoke(lease) => connection.revoke(lease).await,
                Request::List => {
                    return match connection.list().await {
                        Ok(list) => Outcome::Listed(list),
                        Err(fault) => failed(fault),
                    };
                }
                Request::Watch(from) => {
                    return connection
                        .watch(from)
                        .await
                        .map_or_else(failed, |watch| Outcome::Watching(Box::new(watch)));
                }
                Request::Connect(_) => Answer::Connected,
            })
        })
    }

    fn finish(&mut self, outcome: Outcome) {
        let now = Instant::now();
        let answer = match outcome {
            Outcome::Connected(connection) => {
                self.shared.set_connection(Some(connection.clone()));
                self.connection = Some(connection);
                Answer::Connected
            }
            Outcome::Listed(Pages { revision, pages }) => {
                self.record_answer(Sign::List(revision), now);
                let own = self.reconciler.list(revision, pages.iter().flat_map(|page| page.kvs()).map(entry));
                Answer::Listed { revision, own }
            }
            Outcome::Watching(watch) => {
                self.watch = Some(*watch);
                Answer::Watching
            }
            Outcome::Answer(answer) => answer,
        };
        match answer {
            Answer::Failed(_) => {}
            Answer::LeaseGone => self.record_answer(Sign::LeaseGone, now),
            _ => self.record_answer(Sign::Any, now),
        }
        self.machine.answered(answer, now);
    }

    fn look_at(&mut self, message: std::result::Result<Option<WatchResponse>, EtcdError>) {
        let now = Instant::now();
        let Some(connection) = &self.connection else { return };
        let response = match message {
            Ok(Some(response)) => response,
            Ok(None) => return self.machine.seen(Seen::Broken(connection.ended("")), now),
            Err(error) => return self.machine.seen(Seen::Broken(connection.explain(&error)), now),
        };
        if response.compact_revision() > 0 {
            tracing::info!("etcd compacted the watched revision: reading the list again");
            return self.machine.seen(Seen::Compacted, now);
        }
        if response.canceled() {
            return self.machine.seen(Seen::Broken(connection.ended(response.cancel_reason())), now);
        }
        self.record_answer(Sign::Any, now);
        for kv in response.events().iter().filter_map(|event| event.kv()) {
            // A deletion resets the version. (The client panics at a kind of event that it does not know.)
            let event = if kv.version() == 0 {
                Event::Deleted { key: kv.key(), revision: kv.mod_revision() }
            } else {
                Event::Put(entry(kv))
            };
            let seen = self.reconciler.apply(event);
            self.machine.seen(seen, now);
        }
    }

    fn record_answer(&mut self, sign: Sign, now: Instant) {
        if let Some(silence) = self.machine.record_answer(sign, now) {
            self.reconciler.doubt(silence, self.machine.grace(), now);
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Announce(own, answer) => {
                self.own = Arc::clone(&own);
                self.reconciler.announce(own);
                let announced =
                    Announced { version: self.machine.announce(), failed: self.machine.failed(), answer };
                if self.machine.connected() && self.machine.stays() {
                    self.waiting.announced.push(announced);
                } else {
                    announced.in_vain();
                }
            }
            Command::Leave(answer) => {
                self.reconciler.leave();
                self.machine.leave();
                self.waiting.announced.drain(..).for_each(Announced::in_vain);
                self.waiting.left.push(answer);
                if let Some(joined) = self.waiting.joined.take() {
                    let _ = joined
                        .send(Err(Error::new(code::UNAVAILABLE, "the server left before it had joined")));
                }
            }
        }
    }

    /// Answers the callers whose result is known. Returns whether there is anything left to do.
    fn tell(&mut self) -> bool {
        let (registered, failed) = (self.machine.registered(), self.machine.failed());
        for announced in std::mem::take(&mut self.waiting.announced) {
            if registered.is_some_and(|version| version >= announced.version) {
                let _ = announced.answer.send(Ok(()));
            } else if failed != announced.failed {
                announced.in_vain();
            } else {
                self.waiting.announced.push(announced);
            }
        }
        if self.machine.left() {
            for left in self.waiting.left.drain(..) {
                let _ = left.send(());
            }
        }
        if self.machine.joined()
            && let Some(joined) = self.waiting.joined.take()
        {
            let _ = joined.send(Ok(()));
        }
        let Some(fault) = self.machine.gave_up() else { return true };
        if let Some(joined) = self.waiting.joined.take() {
            let _ = joined.send(Err(Error::new(code::UNAVAILABLE, fault.text.clone())));
        }
        false
    }
}

impl Announced {
    fn in_vain(self) {
        let text = "etcd is unreachable: it gets the entry as soon as it is back";
        let _ = self.answer.send(Err(Error::new(code::UNAVAILABLE, text)));
    }
}

fn entry(kv: &KeyValue) -> Entry<'_> {
    Entry { key: kv.key(), value: kv.value(), revision: kv.mod_revision(), lease: kv.lease() }
}

fn failed(fault: Fault) -> Outcome {
    Outcome::Answer(Answer::Failed(fault))
}

async fn next_message(
    watch: Option<&mut WatchStream>,
) -> std::result::Result<Option<WatchResponse>, EtcdError> {
    match watch {
        Some(watch) => watch.message().await,
        None => pending().await,
    }
}

/// Waits for the future of `value`. Without a value it never completes.
async fn maybe<T, F: Future>(value: Option<T>, begin: impl FnOnce(T) -> F) -> F::Output {
    match value {
        Some(value) => begin(value).await,
        None => pending().await,
    }
}
