//! The events of a client that connects again by itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::calls::{Calls, Stage};
use crate::client::{AllPushes, AnyPush, Closed, ConnectError};
use crate::error::{Error, code};

/// A lost connection, or a failed attempt to connect. Another attempt follows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Away {
    /// The reason, for people.
    pub reason: String,
    /// The time until the next attempt.
    pub retry_in: Duration,
    /// The number of attempts that failed in a row.
    pub failures: u32,
}

/// The reason why a client is closed for good.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum End {
    /// The client was closed, kicked or replaced.
    Closed(Closed),
    /// The server refused the client, or another attempt would fail in the same way.
    Refused(Arc<ConnectError>),
}

impl End {
    /// Returns the error of a call: `PIT-499`, or `PIT-400` if the server refused the client.
    pub(super) fn error(&self) -> Error {
        match self {
            Self::Closed(closed) => closed.error(),
            Self::Refused(error) => Error::new(code::BAD_REQUEST, error.to_string()),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(closed) => closed.fmt(f),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

/// An event of a [`ReconnectingClient`](super::ReconnectingClient).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A push. Those of a connection keep their order, and come between its first and its last event.
    Push(AnyPush),
    /// This number of pushes was not read in time and dropped; 0 if it is unknown.
    Missed(u64),
    /// The connection is lost, or an attempt failed. Of attempts in a row that the program did not read, the last one
    /// stays.
    Away(Away),
    /// The client is connected again, and its session is a new one. Its pushes follow.
    Reset,
    /// The client is closed for good. It is the last event.
    Closed(End),
}

/// The events of a client, in their order. [`Reconnect::connect`](super::Reconnect::connect) returns it.
///
/// The queue of pushes is bounded as that of [`Client::all_pushes`](crate::client::Client::all_pushes). A program that
/// needs none of the events may drop it.
pub struct Events {
    calls: Arc<Calls>,
    /// The pushes of the connection whose turn it is.
    pushes: Option<AllPushes>,
}

impl Events {
    pub(super) fn new(calls: Arc<Calls>) -> Self {
        Self { calls, pushes: None }
    }

    /// Waits for the next event; `None` after [`Event::Closed`]. Cancel safe: a dropped future loses no event.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(pushes) = &mut self.pushes {
                match pushes.next().await {
                    Ok(push) => return Some(Event::Push(push)),
                    Err(error) if error.code() == code::UNAVAILABLE => {
                        let missed = error.metadata().get("missed").and_then(|missed| missed.parse().ok());
                        return Some(Event::Missed(missed.unwrap_or_default()));
                    }
                    Err(_) => self.pushes = None, // the end of the connection
                }
            }
            match self.calls.next_stage() {
                Ok(Some(Stage::Open { first, pushes })) => {
                    self.pushes = Some(pushes);
                    if !first {
                        return Some(Event::Reset);
                    }
                }
                Ok(Some(Stage::Away(away))) => return Some(Event::Away(away)),
                Ok(Some(Stage::Closed(end))) => return Some(Event::Closed(end)),
                Ok(None) if self.calls.is_finished() => return None,
                Ok(None) => self.calls.changed.notified().await,
                Err(_) => return Some(Event::Missed(0)),
            }
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}
