//! Enqueues jobs.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use redis::{cmd, pipe};
use serde::Serialize;
use serde_json::{Map, Value};

use super::connection::{Address, Shared, unavailable};
use super::job::{Draft, new_id};
use super::keys::{Keys, QUEUE};
use super::options::{Options, Retry};
use super::{arg, date};
use crate::error::{Error, Result, code};
use crate::route::Route;
use crate::serialize::Message;
use crate::services::{FromServices, Services};

/// The longest delay of a job: a longer one could exceed the clock.
const LONGEST_DELAY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Enqueues calls of remotes as jobs, which a worker runs until one run succeeds.
///
/// Methods such as [`after`](Self::after) return a copy with that setting. A copy shares the connection to Redis, which
/// the first job opens.
///
/// ```no_run
/// # use pitaya::prelude::*;
/// # #[message(proto)] #[derive(PartialEq)] pub struct Entry { #[tag(1)] text: String }
/// # #[remote(server = "metagame")] pub trait MetaApi { async fn log(&self, req: Entry) -> Result<()>; }
/// # async fn example(app: App) -> Result<()> {
/// use std::time::Duration;
///
/// let entry = Entry { text: "ann won".into() };
/// let job = app.reliable().after(Duration::from_secs(60)).call(&MetaApiClient::LOG, &entry).await?;
/// println!("enqueued {job}");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Reliable {
    inner: Arc<Inner>,
    at: Option<SystemTime>,
    key: Option<Arc<str>>,
    timeout: Option<Duration>,
    deadline: Option<SystemTime>,
    retry: Retry,
    metadata: Option<Arc<Map<String, Value>>>,
}

struct Inner {
    redis: Shared,
    keys: Keys,
}

/// The id of a job: 24 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobId(String);

impl JobId {
    /// Returns the id of a new job.
    pub(crate) fn random() -> Self {
        Self(new_id())
    }

    /// Returns the digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Reliable {
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let inner =
            Inner { redis: Shared::new(Address::new(&options.redis)?), keys: Keys::new(&options.namespace) };
        let retry = options.retry;
        Ok(Self {
            inner: Arc::new(inner),
            at: None,
            key: None,
            timeout: None,
            deadline: None,
            retry,
            metadata: None,
        })
    }

    /// Runs jobs no earlier than at this time.
    #[must_use]
    pub fn at(&self, time: SystemTime) -> Self {
        Self { at: Some(time), ..self.clone() }
    }

    /// Runs jobs no earlier than after this time, counted from now. A century is the longest delay.
    #[must_use]
    pub fn after(&self, delay: Duration) -> Self {
        self.at(SystemTime::now() + delay.min(LONGEST_DELAY))
    }

    /// Gives jobs an idempotency key: within 24 hours, one job with this key succeeds, however many are enqueued or
    /// delivered.
    ///
    /// While a job with the key runs, another one waits. If the worker of the first run dies, the job runs again, because
    /// no server knows whether the first run succeeded. Go Pitaya's workers ignore the key.
    #[must_use]
    pub fn once(&self, key: &str) -> Self {
        Self { key: Some(key.into()), ..self.clone() }
    }

    /// Limits the time of each run, in place of `pitaya.worker.timeout`. Go Pitaya's workers ignore the limit.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self.clone() }
    }

    /// Makes jobs dead that have not succeeded by this time. Go Pitaya's workers ignore the deadline.
    #[must_use]
    pub fn with_deadline(&self, time: SystemTime) -> Self {
        Self { deadline: Some(time), ..self.clone() }
    }

    /// Sets the retries, in place of `pitaya.worker.retry`.
    #[must_use]
    pub fn with_retry(&self, retry: Retry) -> Self {
        Self { retry, ..self.clone() }
    }

    /// Adds metadata, by which the worker may choose the server ([`Worker::server_of`](super::Worker::server_of)).
    #[must_use]
    pub fn with_metadata(&self, name: &str, value: impl Into<Value>) -> Self {
        let mut metadata = self.metadata.as_deref().cloned().unwrap_or_default();
        metadata.insert(name.to_owned(), value.into());
        Self { metadata: Some(Arc::new(metadata)), ..self.clone() }
    }

    /// Enqueues a call. Returns when Redis has the job.
    ///
    /// # Errors
    /// `PIT-503` if Redis cannot be reached or refuses the job. After a lost connection the job may be in Redis
    /// nevertheless. `PIT-400` for a route without a server type, `PIT-000` for a request that cannot be encoded.
    ///
    /// # Cancel safety
    /// If the future is dropped, the job may be enqueued or not.
    pub async fn call<Req: Message, Rep: Message>(
        &self,
        route: &Route<Req, Rep>,
        request: &Req,
    ) -> Result<JobId> {
        let arg = arg::from_message(request).map_err(|error| encoding(route.path(), error))?;
        self.enqueue(route.path(), arg, !Rep::CODECS.is_empty()).await
    }

    /// Enqueues a call by the text of its route, with its argument in Go's JSON: for gateways.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    ///
    /// # Cancel safety
    /// As [`call`](Self::call).
    pub async fn call_json(&self, route: &str, arg: &Value) -> Result<JobId> {
        self.enqueue(route, arg, true).await
    }

    async fn enqueue(&self, route: &str, arg: impl Serialize, replies: bool) -> Result<JobId> {
        let parts = crate::route::parse(route).map_err(|error| error.about(route))?;
        if parts.server.is_none() {
            return Err(Error::new(code::BAD_REQUEST, crate::error::text::NO_SERVER_TYPE)
                .with_metadata("route", route));
        }
        let (id, now) = (JobId::random(), SystemTime::now());
        let at = self.at.filter(|at| *at > now).map(date::seconds);
        let draft = Draft {
            id: id.as_str(),
            route,
            metadata: self.metadata.as_deref(),
            arg,
            replies,
            enqueued_at: date::seconds(now),
            at,
            retry: self.retry,
            key: self.key.as_deref(),
            timeout: self.timeout.map(|timeout| timeout.as_secs_f64()),
            deadline: self.deadline.map(date::seconds),
        };
        let job = draft.encode().map_err(|error| encoding(route, error))?;
        let Inner { redis, keys } = &*self.inner;
        let enqueued = match at {
            Some(at) => {
                let mut schedule = cmd("ZADD");
                schedule.arg(&keys.schedule).arg(at).arg(job);
                redis.query::<()>(schedule).await
            }
            None => {
                let mut enqueue = pipe();
                enqueue.cmd("SADD").arg(&keys.queues).arg(QUEUE).ignore();
                enqueue.cmd("LPUSH").arg(&keys.queue).arg(job).ignore();
                redis.transact(&enqueue).await
            }
        };
        enqueued.map_err(unavailable)?;
        Ok(id)
    }
}

fn encoding(route: &str, error: impl Into<crate::error::BoxError>) -> Error {
    let error = error.into();
    Error::new(code::UNKNOWN, format!("cannot encode the request of `{route}`: {error}")).with_source(error)
}

impl fmt::Debug for Reliable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reliable")
            .field("at", &self.at)
            .field("key", &self.key)
            .field("timeout", &self.timeout)
            .field("deadline", &self.deadline)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

impl FromServices for Reliable {
    fn from_services(services: &Services) -> Result<Self> {
        Ok((*services.get::<Self>()?).clone())
    }
}
