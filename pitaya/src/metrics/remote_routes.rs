//! Routes that other servers answer, told apart.

use std::fmt;
use std::sync::Arc;

use dashmap::DashMap;

use super::{Metrics, RouteTimings};
use crate::error::{Error, code};

/// The most routes that are told apart. An application has few; those that clients name need not exist.
const MOST_ROUTES: usize = 1024;

/// The instruments of routes that other servers answer.
///
/// Clients name what they like: a route is known once an application has answered on it. What the framework says of a
/// call (not found, nobody there, too late) is no sign that there is such a route.
pub(crate) struct RemoteRoutes {
    metrics: Metrics,
    make: fn(&Metrics, &str) -> RouteTimings,
    known: DashMap<Box<str>, Arc<RouteTimings>>,
    /// Calls of all other routes.
    others: Arc<RouteTimings>,
}

impl RemoteRoutes {
    /// None is known yet. `make` says what is measured, such as [`RouteTimings::called`].
    pub(crate) fn new(metrics: &Metrics, make: fn(&Metrics, &str) -> RouteTimings) -> Self {
        let others = Arc::new(make(metrics, ""));
        Self { metrics: metrics.clone(), make, known: DashMap::new(), others }
    }

    /// The instruments of a call that has ended so.
    pub(crate) fn of(&self, route: &str, error: Option<&Error>) -> Arc<RouteTimings> {
        if let Some(timings) = self.known.get(route) {
            return Arc::clone(&timings);
        }
        let answered = error.is_none_or(|error| !error.code().starts_with(code::PREFIX));
        if !answered || self.known.len() >= MOST_ROUTES {
            return Arc::clone(&self.others);
        }
        let made = || Arc::new((self.make)(&self.metrics, route));
        Arc::clone(&self.known.entry(route.into()).or_insert_with(made))
    }

    /// Those of a call that went nowhere.
    pub(crate) fn others(&self) -> &RouteTimings {
        &self.others
    }
}

impl fmt::Debug for RemoteRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteRoutes").field("known", &self.known.len()).finish_non_exhaustive()
    }
}
