//! One bot: it connects, runs its setup, then its steps again and again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use pitaya::client::{Client, Pushes};
use pitaya::error::code;
use serde_json::Value;
use tokio::time::Instant;

use super::arrivals::{Arrivals, Stop};
use super::file::Think;
use super::plan::{Action, Plan, Step};
use super::stats::Stats;
use super::template::{Template, Values};
use crate::client::{Body, Contract, Target};

/// The pause after a setup that failed.
const PAUSE: Duration = Duration::from_secs(1);
/// The code of an answer that does not fulfil its condition.
const UNEXPECTED: &str = "unexpected";
/// The code of a connection that was refused.
const CONNECT: &str = "connect";
/// The code of data that cannot be encoded.
const DATA: &str = "data";

/// The state that all bots share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) target: Target,
    pub(super) contract: Contract,
    pub(super) arrivals: Option<Arrivals>,
    pub(super) stop: Stop,
    pub(super) connected: AtomicI64,
    /// The last failure of a connect or a request, for people.
    pub(super) last_error: Mutex<Option<String>>,
}

/// The result of a step or a run that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Continue,
    /// The load is over.
    Stopped,
}

/// A step failed, and was counted.
#[derive(Debug)]
struct Failed {
    /// The server was not asked, so that the next run could fail without a wait.
    local: bool,
}

pub(super) struct Bot {
    shared: Arc<Shared>,
    /// Of the thread.
    stats: Arc<Mutex<Stats>>,
    values: Values,
    link: Option<Link>,
}

struct Link {
    client: Client,
    /// In the order of [`Plan::expected`].
    pushes: Vec<Pushes<Bytes>>,
    connected: Arc<Shared>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.connected.connected.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Counters stay usable after a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bot {
    pub(super) fn new(shared: Arc<Shared>, stats: Arc<Mutex<Stats>>, number: u64) -> Self {
        // Neighbouring seeds of this generator are independent.
        let random = fastrand::Rng::with_seed(shared.plan.seed.wrapping_add(number));
        let values = Values { bot: number, run: 0, random, saved: BTreeMap::new() };
        Self { shared, stats, values, link: None }
    }

    /// Runs until the end of the load, or until all runs of this bot are done.
    pub(super) async fn live(mut self, delay: Duration) {
        let shared = Arc::clone(&self.shared);
        if !delay.is_zero() && shared.stop.unless(tokio::time::sleep(delay)).await.is_none() {
            return;
        }
        while !shared.stop.is_set() {
            match self.steps(&shared.plan.setup, &mut None).await {
                Ok(Flow::Continue) => {}
                Ok(Flow::Stopped) => break,
                Err(_) => {
                    self.link = None;
                    if shared.stop.unless(tokio::time::sleep(PAUSE)).await.is_none() {
                        break;
                    }
                    continue;
                }
            }
            if self.runs().await == Flow::Stopped {
                break;
            }
        }
    }

    /// Repeats the steps until the end, or until the connection is lost.
    async fn runs(&mut self) -> Flow {
        let shared = Arc::clone(&self.shared);
        loop {
            let began = match &shared.arrivals {
                Some(arrivals) => match arrivals.next(&shared.stop).await {
                    Some(began) => began,
                    None => return Flow::Stopped,
                },
                None if shared.stop.is_set() => return Flow::Stopped,
                None => Instant::now(),
            };
            self.values.run += 1;
            // The delay of a late run counts for its first request.
            let result = self.steps(&shared.plan.steps, &mut Some(began)).await;
            match result {
                Ok(Flow::Continue) => lock(&self.stats).runs.record(began.elapsed()),
                Ok(Flow::Stopped) => return Flow::Stopped,
                Err(_) => lock(&self.stats).failed_runs += 1,
            }
            if shared.plan.load.runs.is_some_and(|runs| self.values.run >= runs) {
                return Flow::Stopped;
            }
            let lost = self.link.as_ref().is_none_or(|link| !link.client.is_connected());
            if let Err(Failed { local }) = result
                && (lost || local)
            {
                if shared.stop.unless(tokio::time::sleep(PAUSE)).await.is_none() {
                    return Flow::Stopped;
                }
                if lost {
                    self.link = None;
                    return Flow::Continue;
                }
            }
        }
    }

    /// Runs steps. The first request is measured from `began` if that is known.
    async fn steps(&mut self, steps: &[Step], began: &mut Option<Instant>) -> Result<Flow, Failed> {
        for step in steps {
            if self.shared.stop.is_set() {
                return Ok(Flow::Stopped);
            }
            let flow = match &step.action {
                Action::Connect(user) => self.connect(step.label, user, began).await?,
                Action::Disconnect => {
                    if let Some(link) = self.link.take() {
                        link.client.disconnect().await;
                    }
                    Flow::Continue
                }
                Action::Request { route, data } => {
                    self.request(step, route, data.as_ref(), began).await?;
                    Flow::Continue
                }
                Action::Notify { route, data } => {
                    self.notify(step.label, route, data.as_ref()).await?;
                    Flow::Continue
                }
                Action::Expect { route, within } => self.expect(step, *route, *within).await?,
                Action::Think(Think(from, to)) => {
                    let nanos = |time: &Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
                    let time = Duration::from_nanos(self.values.random.u64(nanos(from)..=nanos(to)));
                    match self.shared.stop.unless(tokio::time::sleep(time)).await {
                        None => Flow::Stopped,
                        Some(()) => Flow::Continue,
                    }
                }
                Action::Loop { times, steps } => {
                    let mut flow = Flow::Continue;
                    for _ in 0..*times {
                        flow = Box::pin(self.steps(steps, began)).await?;
                        if flow == Flow::Stopped {
                            break;
                        }
                    }
                    flow
                }
            };
            if flow == Flow::Stopped {
                return Ok(flow);
            }
        }
        Ok(Flow::Continue)
    }

    async fn connect(
        &mut self,
        label: usize,
        user: &Template,
        began: &mut Option<Instant>,
    ) -> Result<Flow, Failed> {
        if let Some(link) = self.link.take() {
            link.client.disconnect().await;
        }
        let shared = Arc::clone(&self.shared);
        let builder = Client::builder()
            .platform("bot")
            .handshake_user(user.render(&mut self.values))
            .request_timeout(shared.plan.timeout)
            .connect_timeout(shared.plan.timeout);
        lock(&self.stats).begin(label);
        let start = began.take().unwrap_or_else(Instant::now);
        match shared.target.connect(&builder).await {
            Ok(client) => {
                lock(&self.stats).done(label, Some(start.elapsed()), false);
                shared.connected.fetch_add(1, Ordering::Relaxed);
                let pushes = shared.plan.expected.iter().map(|route| client.pushes_raw(route)).collect();
                self.link = Some(Link { client, pushes, connected: shared });
                Ok(Flow::Continue)
            }
            Err(why) => Err(self.fail(label, CONNECT, why)),
        }
    }

    async fn request(
        &mut self,
        step: &Step,
        route: &str,
        data: Option<&Template>,
        began: &mut Option<Instant>,
    ) -> Result<(), Failed> {
        lock(&self.stats).begin(step.label);
        let body = self.body(step.label, route, data)?;
        let Some(link) = &self.link else { return Err(self.not_connected(step.label)) };
        let start = began.take().unwrap_or_else(Instant::now);
        match link.client.request_raw(route, body).await {
            Ok(answer) => {
                let latency = start.elapsed();
                if !step.conditions.is_empty() || !step.save.is_empty() {
                    let serializer = link.client.serializer_name();
                    let answer = value(&self.shared.contract.decode_answer(serializer, route, &answer));
                    if !self.fulfils(step, &answer) {
                        let text = format!("the answer of {route} is {answer}");
                        return Err(self.fail(step.label, UNEXPECTED, text));
                    }
                    self.save(step, &answer)?;
                }
                lock(&self.stats).done(step.label, Some(latency), true);
                Ok(())
            }
            Err(error) => Err(self.fail(step.label, error.code(), format!("{route}: {error}"))),
        }
    }

    async fn notify(&mut self, label: usize, route: &str, data: Option<&Template>) -> Result<(), Failed> {
        lock(&self.stats).begin(label);
        let body = self.body(label, route, data)?;
        let Some(link) = &self.link else { return Err(self.not_connected(label)) };
        match link.client.notify_raw(route, body).await {
            Ok(()) => {
                lock(&self.stats).done(label, None, false);
                Ok(())
            }
            Err(error) => Err(self.fail(label, error.code(), format!("{route}: {error}"))),
        }
    }

    /// Waits for a push that fulfils the conditions. Pushes before it are skipped.
    async fn expect(&mut self, step: &Step, route: usize, within: Option<Duration>) -> Result<Flow, Failed> {
        let shared = Arc::clone(&self.shared);
        let start = Instant::now();
        lock(&self.stats).begin(step.label);
        let deadline = start + within.unwrap_or(shared.plan.timeout);
        loop {
            let Some(link) = &mut self.link else { return Err(self.not_connected(step.label)) };
            let next = tokio::time::timeout_at(deadline, link.pushes[route].next());
            let name = &shared.plan.expected[route];
            match shared.stop.unless(next).await {
                None => {
                    // The end of the load is no failure.
                    lock(&self.stats).steps[step.label].cut += 1;
                    return Ok(Flow::Stopped);
                }
                Some(Err(_)) => {
                    return Err(self.fail(
                        step.label,
                        code::CLIENT_TIMEOUT,
                        format!("no push of {name} in time"),
                    ));
                }
                // Older pushes were dropped; a newer one follows.
                Some(Ok(Err(error))) if error.code() == code::UNAVAILABLE => {}
                Some(Ok(Err(error))) => {
                    return Err(self.fail(step.label, error.code(), format!("{name}: {error}")));
                }
                Some(Ok(Ok(push))) => {
                    let latency = start.elapsed();
                    let fits = if step.conditions.is_empty() && step.save.is_empty() {
                        true
                    } else {
                        let serializer = link.client.serializer_name();
                        let push = value(&shared.contract.decode_push(serializer, name, &push));
                        let fits = self.fulfils(step, &push);
                        if fits {
                            self.save(step, &push)?;
                        }
                        fits
                    };
                    if fits {
                        lock(&self.stats).done(step.label, Some(latency), false);
                        return Ok(Flow::Continue);
                    }
                }
            }
        }
    }

    fn body(&mut self, label: usize, route: &str, data: Option<&Template>) -> Result<Bytes, Failed> {
        let Some(data) = data else { return Ok(Bytes::new()) };
        let Some(link) = &self.link else { return Err(self.not_connected(label)) };
        let text = data.render(&mut self.values).to_string();
        let body = self.shared.contract.encode(link.client.serializer_name(), route, Some(&text));
        body.map_err(|why| self.fail(label, DATA, format!("{route}: {why}")))
    }

    fn fulfils(&mut self, step: &Step, value: &Value) -> bool {
        step.conditions
            .iter()
            .all(|(pointer, wanted)| value.pointer(pointer) == Some(&wanted.render(&mut self.values)))
    }

    fn save(&mut self, step: &Step, value: &Value) -> Result<(), Failed> {
        for (name, pointer) in &step.save {
            let Some(found) = value.pointer(pointer) else {
                return Err(self.fail(step.label, UNEXPECTED, format!("no `{pointer}` in {value}")));
            };
            self.values.saved.insert(name.clone(), found.clone());
        }
        Ok(())
    }

    fn not_connected(&self, label: usize) -> Failed {
        self.fail(label, code::CLOSED, "not connected".to_owned())
    }

    fn fail(&self, label: usize, reason: &str, why: String) -> Failed {
        lock(&self.stats).failed(label, reason);
        *lock(&self.shared.last_error) = Some(why);
        Failed { local: matches!(reason, DATA | code::CLOSED) }
    }
}

fn value(body: &Body) -> Value {
    match body {
        Body::Json(json) => serde_json::from_str(json).unwrap_or_default(),
        Body::Other(text) => text.clone().into(),
    }
}
