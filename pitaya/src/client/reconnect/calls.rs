//! The calls that wait for a connection, and the events that wait for the program.

use std::collections::VecDeque;
use std::future::Future;
use std::task::{Context, Waker};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

use super::events::{Away, End};
use crate::client::{AllPushes, Client};
use crate::error::{Error, Result, code};
use crate::util::sync::Mutex;

/// Connections whose pushes wait for the program. Beyond them the oldest is dropped.
const CONNECTIONS: usize = 8;

/// The state that the handles, the events and the supervisor share.
#[derive(Debug)]
pub(super) struct Calls {
    state: Mutex<State>,
    /// Wakes the reader of the events. There is one, so that one permit is enough.
    pub(super) changed: Notify,
    calls: usize,
    bytes: usize,
}

#[derive(Debug)]
struct State {
    status: Status,
    queue: VecDeque<Queued>,
    stages: VecDeque<Stage>,
    /// Connections that the program did not see.
    missed: u64,
}

#[derive(Debug)]
enum Status {
    Open(Client),
    Away,
    Closed(End),
}

/// A call that waits for a connection.
#[derive(Debug)]
struct Queued {
    route: Box<str>,
    body: Bytes,
    /// `None` for a notify.
    answer: Option<oneshot::Sender<Result<Bytes>>>,
}

impl Queued {
    /// Whether a caller still waits for it.
    fn is_wanted(&self) -> bool {
        self.answer.as_ref().is_none_or(|answer| !answer.is_closed())
    }
}

/// The next event for the program.
#[derive(Debug)]
pub(super) enum Stage {
    Open { first: bool, pushes: AllPushes },
    Away(Away),
    Closed(End),
}

/// A request that was taken.
pub(super) enum Entered {
    /// There is a connection.
    Open(Client, Bytes),
    /// It waits for one.
    Waits(oneshot::Receiver<Result<Bytes>>),
}

impl Calls {
    pub(super) fn new(calls: usize, bytes: usize) -> Self {
        let state =
            State { status: Status::Away, queue: VecDeque::new(), stages: VecDeque::new(), missed: 0 };
        Self { state: Mutex::new(state), changed: Notify::new(), calls, bytes }
    }

    /// Returns the connection, or queues a request.
    pub(super) fn request(&self, route: &str, body: Bytes) -> Result<Entered> {
        let (answer, receiver) = oneshot::channel();
        let entered = self.enter(route, body, Some(answer))?;
        Ok(entered.map_or(Entered::Waits(receiver), |(client, body)| Entered::Open(client, body)))
    }

    /// Returns the connection, or queues a notify.
    pub(super) fn notify(&self, route: &str, body: Bytes) -> Result<Option<(Client, Bytes)>> {
        self.enter(route, body, None)
    }

    fn enter(
        &self,
        route: &str,
        body: Bytes,
        answer: Option<oneshot::Sender<Result<Bytes>>>,
    ) -> Result<Option<(Client, Bytes)>> {
        let mut state = self.state.lock();
        match &state.status {
            Status::Open(client) if client.is_connected() => return Ok(Some((client.clone(), body))),
            Status::Closed(end) => return Err(end.error()),
            Status::Open(_) | Status::Away => {}
        }
        state.queue.retain(Queued::is_wanted);
        let waiting: usize = state.queue.iter().map(|call| call.body.len()).sum();
        if state.queue.len() >= self.calls || waiting.saturating_add(body.len()) > self.bytes {
            let error = Error::new(code::UNAVAILABLE, "the client is away and its queue is full");
            return Err(error.with_metadata("route", route));
        }
        state.queue.push_back(Queued { route: route.into(), body, answer });
        Ok(None)
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(&self.state.lock().status, Status::Open(client) if client.is_connected())
    }

    pub(super) fn waiting(&self) -> usize {
        self.state.lock().queue.iter().filter(|call| call.is_wanted()).count()
    }

    // ---- the supervisor

    /// Sends the calls that wait, in their order, and lets new ones through behind them.
    pub(super) fn open(&self, client: Client) {
        let mut state = self.state.lock();
        for Queued { route, body, answer } in std::mem::take(&mut state.queue) {
            if answer.as_ref().is_some_and(oneshot::Sender::is_closed) {
                continue;
            }
            let client = client.clone();
            let mut call = Box::pin(async move {
                match answer {
                    Some(answer) => drop(answer.send(client.request_raw(&route, body).await)),
                    None => {
                        if let Err(error) = client.notify_raw(&route, body).await {
                            tracing::debug!(route, %error, "lost a notify that waited for a connection");
                        }
                    }
                }
            });
            // The first poll gives the call its place in the connection's queue.
            if call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
                tokio::spawn(call);
            }
        }
        state.status = Status::Open(client);
    }

    pub(super) fn away(&self) {
        self.state.lock().status = Status::Away;
    }

    /// Closes the connection, and fails the calls that wait and all later ones.
    pub(super) fn close(&self, end: &End) {
        let (status, queue) = {
            let mut state = self.state.lock();
            let status = std::mem::replace(&mut state.status, Status::Closed(end.clone()));
            (status, std::mem::take(&mut state.queue))
        };
        if let Status::Open(client) = status {
            client.stop.cancel();
        }
        for answer in queue.into_iter().filter_map(|call| call.answer) {
            drop(answer.send(Err(end.error())));
        }
        self.tell(Stage::Closed(end.clone()));
    }

    /// Adds an event. Of failed attempts in a row the last one stays, so that a server that is down fills no memory.
    pub(super) fn tell(&self, stage: Stage) {
        let mut state = self.state.lock();
        if matches!((state.stages.back(), &stage), (Some(Stage::Away(_)), Stage::Away(_))) {
            state.stages.pop_back();
        }
        state.stages.push_back(stage);
        while state.stages.len() > 2 * CONNECTIONS {
            if let Some(Stage::Open { .. }) = state.stages.pop_front() {
                state.missed += 1;
            }
        }
        self.changed.notify_one();
    }

    // ---- the events

    /// Returns whether the program has seen the last event.
    pub(super) fn is_finished(&self) -> bool {
        let state = self.state.lock();
        matches!(state.status, Status::Closed(_)) && state.stages.is_empty()
    }

    /// Returns the next event, or the number of connections that were dropped before it.
    pub(super) fn next_stage(&self) -> Result<Option<Stage>, u64> {
        let mut state = self.state.lock();
        match std::mem::take(&mut state.missed) {
            0 => Ok(state.stages.pop_front()),
            missed => Err(missed),
        }
    }
}
