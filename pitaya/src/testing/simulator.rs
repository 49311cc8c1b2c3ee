//! Decides the fate of every message, and delivers delayed ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::faults::{Faults, happens, sample};
use super::trace::{Trace, digest};
use crate::cluster::{Change, InTransit, Interceptor, Server, Servers};
use crate::util::sync::Mutex;

/// Holds all delays and all random numbers, ordered, under one lock.
pub(super) struct Simulator {
    state: Mutex<State>,
    /// Signalled when a message is due earlier than before, or the simulation ends.
    wake: Notify,
    started: Instant,
}

struct State {
    rng: fastrand::Rng,
    faults: Faults,
    /// Partitioned pairs of servers, the smaller id first.
    cuts: BTreeSet<(Arc<str>, Arc<str>)>,
    /// Messages in flight, by arrival and then by start.
    in_flight: BTreeMap<(Instant, u64), InFlight>,
    begun: u64,
    /// Of each ordered lane: the last arrival, and the number of messages in flight.
    lanes: BTreeMap<Lane, (Instant, usize)>,
    trace: Trace,
    ended: bool,
}

/// Sender, receiver and address. Discovery has no sender.
type Lane = (Option<Arc<str>>, Arc<str>, Arc<str>);

enum InFlight {
    Message(InTransit, Option<Lane>),
    Discovery { to: Arc<str>, servers: Arc<Servers>, change: Change, lane: Lane },
}

impl Simulator {
    /// Starts a simulator that runs until [`end`](Self::end).
    pub(super) fn start(seed: u64) -> Arc<Self> {
        let simulator = Arc::new(Self {
            state: Mutex::new(State {
                rng: fastrand::Rng::with_seed(seed),
                faults: Faults::default(),
                cuts: BTreeSet::new(),
                in_flight: BTreeMap::new(),
                begun: 0,
                lanes: BTreeMap::new(),
                trace: Trace::default(),
                ended: false,
            }),
            wake: Notify::new(),
            started: Instant::now(),
        });
        tokio::spawn(Arc::clone(&simulator).carry());
        simulator
    }

    pub(super) fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// Partitions two servers.
    pub(super) fn cut(&self, a: &Arc<str>, b: &Arc<str>) {
        self.state().cuts.insert(pair(a, b));
    }

    /// Ends all partitions. Returns the affected servers.
    pub(super) fn end_cuts(&self) -> BTreeSet<Arc<str>> {
        std::mem::take(&mut self.state().cuts).into_iter().flat_map(|(a, b)| [a, b]).collect()
    }

    pub(super) fn trace(&self) -> Trace {
        self.state().trace.clone()
    }

    /// Records an action of the test in the trace.
    pub(super) fn note(&self, what: std::fmt::Arguments<'_>) {
        let at = self.now();
        self.state().trace.write(at, what);
    }

    /// Returns the virtual time since the start.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Returns when the last message in flight arrives.
    pub(super) fn last_arrival(&self) -> Option<Instant> {
        self.state().in_flight.keys().next_back().map(|(at, _)| *at)
    }

    /// Drops all messages, now and from now on.
    pub(super) fn end(&self) {
        let dropped = {
            let mut state = self.state();
            state.ended = true;
            std::mem::take(&mut state.in_flight)
        };
        drop(dropped); // with no lock held, because it may own anything
        self.wake.notify_one();
    }

    /// Delivers messages when they are due.
    async fn carry(self: Arc<Self>) {
        while !self.state().ended {
            let next = self.deliver();
            let due = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.wake.notified() => {}
                () = due => {}
            }
        }
    }

    /// Delivers a change of the registry to a server.
    pub(super) fn deliver_discovery(
        &self,
        to: &Arc<str>,
        servers: &Arc<Servers>,
        change: &Change,
        at_once: bool,
    ) {
        let lane: Lane = (None, Arc::clone(to), "".into());
        let mut state = self.state();
        if state.ended {
            return;
        }
        let delay = if at_once { Duration::ZERO } else { state.sample(|faults| &faults.discovery_delay) };
        let later = state.later(delay, (!at_once).then_some(&lane));
        match later {
            None => {
                state.trace.write(self.now(), format_args!("{to} learns of {}", sign(change)));
                drop(state);
                apply(servers, change);
            }
            Some(at) => {
                let (servers, change) = (Arc::clone(servers), change.clone());
                state.begin(at, InFlight::Discovery { to: Arc::clone(to), servers, change, lane });
                self.wake.notify_one();
            }
        }
    }

    /// Delivers the messages that are due. Returns when the next one is.
    fn deliver(&self) -> Option<Instant> {
        loop {
            let mut state = self.state();
            let (at, begun) = *state.in_flight.keys().next()?;
            if at > Instant::now() {
                return Some(at);
            }
            match state.in_flight.remove(&(at, begun))? {
                InFlight::Message(message, lane) => {
                    lane.iter().for_each(|lane| state.arrived(lane));
                    if state.is_cut(&message) {
                        self.write(&mut state, &message, "is cut off");
                        continue;
                    }
                    drop(state);
                    self.arrive(message);
                }
                InFlight::Discovery { to, servers, change, lane } => {
                    state.arrived(&lane);
                    state.trace.write(self.now(), format_args!("{to} learns of {}", sign(&change)));
                    drop(state);
                    apply(&servers, &change);
                }
            }
        }
    }

    /// Delivers a message. The trace has it before its effects.
    fn arrive(&self, message: InTransit) {
        self.write(&mut self.state(), &message, "arrives");
        let (from, to) = (Arc::clone(message.from()), Arc::clone(message.to()));
        if !message.deliver() {
            self.note(format_args!("{from} -> {to} found nobody"));
        }
    }

    fn write(&self, state: &mut State, message: &InTransit, what: &str) {
        let (from, to, kind, body) = (message.from(), message.to(), message.kind(), message.body());
        let at = self.now();
        state.trace.write(at, format_args!("{from} -> {to} {kind} {:016x} {what}", digest(body)));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Interceptor for Simulator {
    fn intercept(&self, message: InTransit) {
        let mut state = self.state();
        if state.ended {
            // No task delivers it any more, and it would keep its target alive.
            tracing::warn!(
                from = &**message.from(),
                to = &**message.to(),
                "dropped a message: the `Cluster` and its `TestServer`s are gone; keep one of them"
            );
            return self.write(&mut state, &message, "is lost, for the simulation is over");
        }
        if state.is_cut(&message) {
            return self.write(&mut state, &message, "is cut off");
        }
        let faults = state.faults.clone();
        if happens(&mut state.rng, faults.drop) {
            return self.write(&mut state, &message, "is lost");
        }
        let twice = message.is_bind() && happens(&mut state.rng, faults.duplicate);
        let lane = message
            .address()
            .map(|address| (Some(Arc::clone(message.from())), Arc::clone(message.to()), Arc::clone(address)));
        let mut at_once = 0;
        for _ in 0..1 + usize::from(twice) {
            let delay = state.sample(|faults| &faults.delay);
            match state.later(delay, lane.as_ref()) {
                None => at_once += 1,
                Some(at) => {
                    self.write(&mut state, &message, "begins");
                    state.begin(at, InFlight::Message(message.clone(), lane.clone()));
                    self.wake.notify_one();
                }
            }
        }
        drop(state);
        for _ in 0..at_once {
            self.arrive(message.clone());
        }
    }
}

impl State {
    fn sample(&mut self, range: impl FnOnce(&Faults) -> &std::ops::Range<Duration>) -> Duration {
        sample(&mut self.rng, range(&self.faults))
    }

    fn is_cut(&self, message: &InTransit) -> bool {
        !self.cuts.is_empty() && self.cuts.contains(&pair(message.from(), message.to()))
    }

    /// Returns when a message that is sent now arrives, not before the previous one of its lane. `None` means
    /// immediately.
    fn later(&self, delay: Duration, lane: Option<&Lane>) -> Option<Instant> {
        let at = Instant::now() + delay;
        match lane.and_then(|lane| self.lanes.get(lane)) {
            Some((last, _)) => Some(at.max(*last)),
            None => (!delay.is_zero()).then_some(at),
        }
    }

    fn begin(&mut self, at: Instant, load: InFlight) {
        let lane = match &load {
            InFlight::Message(_, lane) => lane.as_ref(),
            InFlight::Discovery { lane, .. } => Some(lane),
        };
        if let Some(lane) = lane {
            let (last, count) = self.lanes.entry(lane.clone()).or_insert((at, 0));
            (*last, *count) = (at, *count + 1);
        }
        self.begun += 1;
        self.in_flight.insert((at, self.begun), load);
    }

    fn arrived(&mut self, lane: &Lane) {
        if let Some((_, count)) = self.lanes.get_mut(lane) {
            *count -= 1;
            if *count == 0 {
                self.lanes.remove(lane);
            }
        }
    }
}

fn apply(servers: &Servers, change: &Change) {
    match change {
        Change::Added(server) | Change::Replaced { new: server, .. } => servers.put(Server::clone(server)),
        Change::Removed(server) => servers.remove(&server.server_type, &server.id),
    }
}

fn sign(change: &Change) -> String {
    match change {
        Change::Added(server) => format!("+{}", server.id),
        Change::Replaced { new, .. } => format!("~{}", new.id),
        Change::Removed(server) => format!("-{}", server.id),
    }
}

fn pair(a: &Arc<str>, b: &Arc<str>) -> (Arc<str>, Arc<str>) {
    let (a, b) = if a <= b { (a, b) } else { (b, a) };
    (Arc::clone(a), Arc::clone(b))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::future::BoxFuture;

    use super::*;
    use crate::cluster::{MemoryBroker, Receiver, Transport, TransportError};

    struct Echo;

    impl Receiver for Echo {
        fn request(&self, body: Bytes) -> BoxFuture<'static, Bytes> {
            Box::pin(async move { body })
        }
        fn push(&self, body: Bytes) -> Bytes {
            body
        }
        fn kick(&self, body: Bytes) -> Bytes {
            body
        }
        fn bound(&self, _: Bytes) {}
        fn broadcast(&self, _: Bytes) {}
        fn reconnected(&self) {}
    }

    #[tokio::test(start_paused = true)]
    async fn events_after_the_end_are_dropped_and_logged() {
        let (simulator, broker) = (Simulator::start(1), MemoryBroker::new());
        broker.set_interceptor(Arc::clone(&simulator) as _);
        let delay = Duration::from_millis(1)..Duration::from_millis(2);
        simulator.set_faults(Faults { delay, ..Faults::default() });
        let server =
            |id: &str| Server::from_json(format!(r#"{{"id":"{id}","type":"room"}}"#).as_bytes()).unwrap();
        let (one, two) = (broker.transport(), broker.transport());
        one.start(Arc::new(server("one")), Arc::new(Echo)).await.unwrap();
        two.start(Arc::new(server("two")), Arc::new(Echo)).await.unwrap();
        let (to, second) = (server("two"), Duration::from_secs(1));
        assert_eq!(one.request(&to, "hello".into(), second).await, Ok("hello".into()));
        simulator.end();
        assert_eq!(one.request(&to, "hello".into(), second).await, Err(TransportError::Timeout));
        assert!(simulator.last_arrival().is_none());
        let trace = simulator.trace();
        let last = trace.lines().last().unwrap();
        assert!(last.starts_with("0.00") && last.ends_with("is lost, for the simulation is over"), "{last}");
    }
}
