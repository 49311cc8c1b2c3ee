//! Connections to etcd, for every part of the library that uses it.
//!
//! | part | does |
//! |---|---|
//! | `access` | addresses, credentials and certificates |
//! | `connection` | one connection to one endpoint: TLS, authentication, keep alive, message size |
//! | `pages` | reads of any size |
//! | `fault` | what an error of etcd means, and what to do about it |
//! | `reconnecting` | one connection at a time, replaced after a failure, for requests that are independent of each other |
//!
//! Discovery holds a [`Connection`] and decides itself when to replace it, because its lease and its watch depend on it.
//! Everything else uses a [`ReconnectingClient`].

use std::time::Duration;

use tokio::time::Instant;

mod access;
mod connection;
mod fault;
mod pages;
mod reconnecting;

pub use access::HEALTH_CHECK;
pub(crate) use access::{Access, shown_all};
pub(crate) use connection::Connection;
pub(crate) use fault::{Fault, code, status};
pub(crate) use pages::Pages;
pub(crate) use reconnecting::{Failure, ReconnectingClient};

/// The longest timeout. Sums with longer ones may overflow.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Returns the deadline of a request that begins now.
pub(crate) fn deadline(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(LONGEST)
}

/// Returns the TTL of a lease, in the seconds that etcd takes: at least one.
pub(crate) fn ttl_seconds(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ttl_is_whole_seconds_and_at_least_one() {
        for (ttl, seconds) in [(0, 1), (999, 1), (1000, 1), (2900, 2)] {
            assert_eq!(ttl_seconds(Duration::from_millis(ttl)), seconds);
        }
    }

    #[test]
    fn longest_timeout_has_a_deadline() {
        assert!(deadline(Duration::MAX) > Instant::now());
    }
}
