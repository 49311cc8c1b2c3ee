//! The instruments of routes of other servers.

use std::fmt;
use std::sync::Arc;

use dashmap::DashMap;

use super::{Metrics, RouteTimings};
use crate::error::{Error, code};

/// The most routes with instruments of their own. An application has few; clients may send any number.
const MOST_ROUTES: usize = 1024;

/// The instruments of routes of other servers.
///
/// Clients may send routes that do not exist. A route is known once an application has answered on it. An error of the
/// framework, such as not found or a timeout, does not show that the route exists.
pub(crate) struct RemoteRoutes {
    metrics: Metrics,
    make: fn(&Metrics, &str) -> RouteTimings,
    known: DashMap<Box<str>, Arc<RouteTimings>>,
    /// Calls of all other routes.
    others: Arc<RouteTimings>,
}

impl RemoteRoutes {
    /// Returns instruments without a known route. `make` makes those of a route, such as [`RouteTimings::called`].
    pub(crate) fn new(metrics: &Metrics, make: fn(&Metrics, &str) -> RouteTimings) -> Self {
        let others = Arc::new(make(metrics, ""));
        Self { metrics: metrics.clone(), make, known: DashMap::new(), others }
    }

    /// Returns the instruments of a call with this result.
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

    /// Returns the instruments of a call without a known route.
    pub(crate) fn others(&self) -> &RouteTimings {
        &self.others
    }
}

impl fmt::Debug for RemoteRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteRoutes").field("known", &self.known.len()).finish_non_exhaustive()
    }
}
