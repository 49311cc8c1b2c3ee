//! A client of etcd that replaces its connection after a failure.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::Error as EtcdError;
use tokio::time::{Instant, timeout, timeout_at};

use super::fault::{Verdict, verdict};
use super::{Access, Connection, Fault};
use crate::util::sync::Mutex;
use crate::util::throttle::{GLOBAL, throttled};

/// After this time without an answer a connection is checked before use, because its peer may have vanished.
const QUIET: Duration = Duration::from_secs(5);

/// The most tries of one request.
const TRIES: u32 = 3;

/// Keeps one connection, to the first endpoint that answers. A connection that fails or times out is replaced, starting
/// with the next endpoint.
pub(crate) struct ReconnectingClient {
    access: Arc<Access>,
    held: Mutex<Option<Held>>,
    dial: tokio::sync::Mutex<Dial>,
}

#[derive(Clone)]
struct Held {
    connection: Connection,
    number: u64,
    /// When etcd answered last.
    heard: Instant,
}

#[derive(Default)]
struct Dial {
    /// The endpoint to try next.
    next: usize,
    /// The number of connections so far.
    connections: u64,
    /// When the last failed round over all endpoints started, and why it failed.
    failed: Option<(Instant, Fault)>,
}

/// Why a request failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// etcd answered with this error, with this meaning.
    Answered(EtcdError, Fault),
    /// etcd was not reached, or did not answer in time. A write may have been carried out.
    Lost(Fault),
}

/// Whether a request that may have been carried out can be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    Yes,
    No,
}

impl ReconnectingClient {
    /// Creates a client that connects with its first request.
    pub(crate) fn new(access: Access) -> Self {
        Self { access: Arc::new(access), held: Mutex::default(), dial: tokio::sync::Mutex::default() }
    }

    /// Runs an idempotent request, which may be sent again. It ends by `until`.
    pub(crate) async fn read<T, F>(
        &self,
        until: Instant,
        work: impl Fn(Connection) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, EtcdError>>,
    {
        self.run(until, Again::Yes, work).await
    }

    /// Runs a request that is sent again only if etcd did not carry it out. It ends by `until`.
    pub(crate) async fn write<T, F>(
        &self,
        until: Instant,
        work: impl Fn(Connection) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, EtcdError>>,
    {
        self.run(until, Again::No, work).await
    }

    async fn run<T, F>(
        &self,
        until: Instant,
        again: Again,
        work: impl Fn(Connection) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, EtcdError>>,
    {
        let mut tries = 0;
        loop {
            tries += 1;
            let held = self.hold(until).await.map_err(Failure::Lost)?;
            let (fault, not_done) =
                match answer(&held.connection, until, again, work(held.connection.clone())).await {
                    Some(Ok(done)) => {
                        self.heard(held.number);
                        return Ok(done);
                    }
                    Some(Err(error)) => match verdict(&error) {
                        Verdict::Answered => {
                            self.heard(held.number);
                            let fault = held.connection.explain(&error);
                            return Err(Failure::Answered(error, fault));
                        }
                        verdict => (held.connection.explain(&error), verdict == Verdict::NotDone),
                    },
                    None => (silent(&held.connection.shown()), false),
                };
            self.drop_connection(held.number, &fault);
            if tries == TRIES || Instant::now() >= until || !(not_done || again == Again::Yes) {
                return Err(Failure::Lost(fault));
            }
        }
    }

    /// Returns the current connection, or a new one.
    async fn hold(&self, until: Instant) -> Result<Held, Fault> {
        if let Some(held) = self.current() {
            if held.heard.elapsed() < QUIET {
                return Ok(held);
            }
            let fault = match timeout(left(until) / 3, held.connection.ready()).await {
                Ok(Ok(())) => {
                    self.heard(held.number);
                    return Ok(held);
                }
                Ok(Err(fault)) => fault,
                Err(_) => silent(&held.connection.shown()),
            };
            self.drop_connection(held.number, &fault);
        }
        let asked = Instant::now();
        let Ok(mut dial) = timeout_at(until, self.dial.lock()).await else {
            return Err(silent(&self.access.shown(0)));
        };
        if let Some(held) = self.current() {
            return Ok(held);
        }
        // A request that waited while another tried all endpoints does not try them again.
        if let Some((began, fault)) = &dial.failed
            && *began >= asked
        {
            return Err(fault.clone());
        }
        self.dial(&mut dial, until).await
    }

    async fn dial(&self, dial: &mut Dial, until: Instant) -> Result<Held, Fault> {
        let began = Instant::now();
        let endpoints = self.access.endpoints.len();
        let text = format!("etcd has no endpoints; set `{}`", self.access.endpoints_key);
        let mut fault = Fault { text, refused: true };
        for tried in 0..endpoints {
            // Set before the try: if this request is dropped, the next one continues with the next endpoint.
            let endpoint = dial.next % endpoints;
            dial.next = (endpoint + 1) % endpoints;
            let share = left(until) / u32::try_from(endpoints - tried).unwrap_or(u32::MAX);
            let time = share.min(self.access.dial_timeout);
            match timeout(time, Connection::connect(Arc::clone(&self.access), endpoint)).await {
                Ok(Ok(connection)) => {
                    dial.connections += 1;
                    let held = Held { connection, number: dial.connections, heard: Instant::now() };
                    *self.held.lock() = Some(held.clone());
                    return Ok(held);
                }
                Ok(Err(why)) => fault = why,
                Err(_) => fault = silent(&self.access.shown(endpoint)),
            }
            tracing::debug!(error = %fault.text, "etcd endpoint failed");
        }
        dial.failed = Some((began, fault.clone()));
        Err(fault)
    }

    fn current(&self) -> Option<Held> {
        self.held.lock().clone()
    }

    fn heard(&self, number: u64) {
        let mut held = self.held.lock();
        if let Some(held) = held.as_mut().filter(|held| held.number == number) {
            held.heard = Instant::now();
        }
    }

    /// Drops the connection with this number.
    fn drop_connection(&self, number: u64, fault: &Fault) {
        let mut held = self.held.lock();
        if held.take_if(|held| held.number == number).is_some() {
            drop(held);
            throttled!(
                GLOBAL,
                warn,
                "lost etcd connections",
                error = %fault.text,
                "lost the connection to etcd: the next request makes another one"
            );
        }
    }
}

impl fmt::Debug for ReconnectingClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = self.current().map(|held| held.connection.shown());
        f.debug_struct("ReconnectingClient").field("endpoint", &endpoint).finish_non_exhaustive()
    }
}

/// Runs `work` until `until`. Returns `None` after a timeout.
///
/// If the request may be sent again, half of the time has passed and a probe fails too, the rest of the time is kept
/// for another connection.
async fn answer<T>(
    connection: &Connection,
    until: Instant,
    again: Again,
    work: impl Future<Output = Result<T, EtcdError>>,
) -> Option<Result<T, EtcdError>> {
    let mut work = pin!(work);
    if again == Again::Yes {
        let half = left(until) / 2;
        if let Ok(done) = timeout(half, work.as_mut()).await {
            return Some(done);
        }
        let probe = timeout(half / 2, connection.ready());
        tokio::select! {
            done = work.as_mut() => return Some(done),
            alive = probe => if !matches!(alive, Ok(Ok(()))) { return None },
        }
    }
    timeout_at(until, work).await.ok()
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

fn silent(at: &str) -> Fault {
    let text = format!(
        "etcd at {at} did not answer in time: it may be overloaded or frozen, or something between swallows what is sent"
    );
    Fault { text, refused: false }
}
