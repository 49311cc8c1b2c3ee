//! Limits to the calls of clients, by route and by user. They are checked where the route is known, after the wrappers
//! of acceptors (`acceptor::RateLimit`), which count the packets of one connection.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::acceptor::{RateLimitError, SlidingLog};
use crate::error::{Error, code, text};
use crate::session::FrontendSession;
use crate::util::sync::Mutex;

/// A limit to the calls of one connection or one user in any interval, to one route or to all.
///
/// Add it with [`Builder::call_limit`](crate::app::Builder::call_limit). The rule is that of
/// [`RateLimit`](crate::acceptor::RateLimit): exact and sliding, and a call over the limit does not count. Such a call
/// is dropped and counted in `pitaya_acceptor_exceeded_rate_limiting`; with [`answered`](Self::answered) a request
/// gets `PIT-429`.
///
/// ```
/// use pitaya::app::CallLimit;
/// use std::time::Duration;
///
/// # fn main() -> pitaya::Result<()> {
/// // 5 messages a second of each user, on whatever connection, and an error for the sixth.
/// let say = CallLimit::new(5, Duration::from_secs(1))?.route("chat.chat.say").per_user().answered(true);
/// # let _ = pitaya::App::builder().call_limit(say);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct CallLimit {
    limit: NonZeroUsize,
    interval: Duration,
    route: Option<String>,
    per_user: bool,
    answered: bool,
}

impl CallLimit {
    /// Limits one connection to `limit` calls in any `interval`, to all routes together.
    ///
    /// An interval of zero limits nothing. Memory: 16 bytes for each call that counts, up to `limit`, for each
    /// connection or user.
    ///
    /// # Errors
    /// Fails if `limit` is 0.
    pub fn new(limit: usize, interval: Duration) -> Result<Self, RateLimitError> {
        let limit = NonZeroUsize::new(limit).ok_or(RateLimitError::ZeroLimit)?;
        Ok(Self { limit, interval, route: None, per_user: false, answered: false })
    }

    /// Counts the calls of this route only: `server.service.method`, or `service.method` of this server's type.
    #[must_use]
    pub fn route(mut self, route: impl Into<String>) -> Self {
        self.route = Some(route.into());
        self
    }

    /// Counts the calls of one user on all connections to this server. A session that is not bound counts by
    /// connection.
    #[must_use]
    pub fn per_user(mut self) -> Self {
        self.per_user = true;
        self
    }

    /// Sets whether a request over the limit is answered with `PIT-429`.
    #[must_use]
    pub fn answered(mut self, yes: bool) -> Self {
        self.answered = yes;
        self
    }

    /// Returns the full route, for servers of this type.
    pub(crate) fn full_route(&self, server_type: &str) -> Option<Result<String, Error>> {
        let route = self.route.as_ref()?;
        Some(match crate::route::parse(route) {
            Ok(parts) if parts.server.is_some() => Ok(route.clone()),
            Ok(_) => Ok(format!("{server_type}.{route}")),
            Err(error) => Err(error.about(route)),
        })
    }
}

/// Returns the error of a request over a limit.
#[cold]
pub(super) fn too_many() -> Error {
    Error::new(code::TOO_MANY, text::TOO_MANY)
}

/// All call limits of a frontend.
pub(crate) struct CallLimits(Vec<Limit>);

struct Limit {
    rule: CallLimit,
    route: Option<String>,
    users: Mutex<Users>,
}

/// The logs of users. A log whose last call is older than the interval is dropped by the next sweep.
#[derive(Default)]
struct Users {
    logs: HashMap<Arc<str>, SlidingLog>,
    sweep_at: usize,
}

/// Below this number of users there are no sweeps.
const FEW: usize = 1024;

/// The logs of one connection, one for each limit. Made with the first call that counts.
pub(super) type ConnectionLogs = Option<Box<[SlidingLog]>>;

impl CallLimits {
    /// Makes the limits from rules with their full routes. Returns `None` without rules.
    pub(crate) fn new(rules: Vec<(CallLimit, Option<String>)>) -> Option<Self> {
        let limit = |(rule, route)| Limit { rule, route, users: Mutex::default() };
        (!rules.is_empty()).then(|| Self(rules.into_iter().map(limit).collect()))
    }

    /// Returns `None` if a call is within all limits; else whether a request is answered.
    ///
    /// A call counts for each limit up to the first that it exceeds.
    pub(super) fn exceeded(
        &self,
        logs: &mut ConnectionLogs,
        session: &FrontendSession,
        route: &str,
        now: Instant,
    ) -> Option<bool> {
        let mut uid = None;
        for (at, limit) in self.0.iter().enumerate() {
            if limit.route.as_ref().is_some_and(|wanted| wanted != route) {
                continue;
            }
            if limit.rule.per_user && uid.is_none() {
                uid = session.uid();
            }
            let allowed = match &uid {
                Some(uid) if limit.rule.per_user => {
                    let mut users = limit.users.lock();
                    users.allow(uid, &limit.rule, now)
                }
                _ => {
                    let new = |limit: &Limit| SlidingLog::new(limit.rule.limit, limit.rule.interval);
                    logs.get_or_insert_with(|| self.0.iter().map(new).collect())[at].allow(now)
                }
            };
            if !allowed {
                return Some(limit.rule.answered);
            }
        }
        None
    }
}

impl Users {
    fn allow(&mut self, uid: &Arc<str>, rule: &CallLimit, now: Instant) -> bool {
        if let Some(log) = self.logs.get_mut(uid) {
            return log.allow(now);
        }
        if self.logs.len() >= self.sweep_at.max(FEW) {
            self.logs.retain(|_, log| !log.is_over(now));
            self.sweep_at = 2 * self.logs.len();
        }
        self.logs
            .entry(Arc::clone(uid))
            .or_insert_with(|| SlidingLog::new(rule.limit, rule.interval))
            .allow(now)
    }
}

impl fmt::Debug for CallLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|limit| &limit.rule)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn logs_of_users_that_stopped_calling_are_dropped() {
        let rule = CallLimit::new(2, SECOND).unwrap().per_user();
        let (mut users, start) = (Users::default(), Instant::now());
        for n in 0..100_000_u32 {
            let now = start + Duration::from_millis(u64::from(n));
            assert!(users.allow(&format!("user-{n}").into(), &rule, now));
        }
        // 1000 users called within the last second; twice as many and the few are kept at most.
        assert!(users.logs.len() <= 2 * 1001, "{}", users.logs.len());
    }

    #[test]
    fn a_sweep_changes_no_decision() {
        let rule = CallLimit::new(1, SECOND).unwrap().per_user();
        let (mut users, start) = (Users::default(), Instant::now());
        let ann: Arc<str> = "ann".into();
        assert!(users.allow(&ann, &rule, start));
        for n in 0..2 * FEW {
            users.allow(&format!("user-{n}").into(), &rule, start + SECOND / 2);
        }
        assert!(!users.allow(&ann, &rule, start + SECOND - Duration::from_nanos(1)));
        assert!(users.allow(&ann, &rule, start + SECOND));
    }

    #[test]
    fn a_limit_of_zero_and_a_bad_route_are_refused() {
        assert_eq!(CallLimit::new(0, SECOND).unwrap_err(), RateLimitError::ZeroLimit);
        let limit = |route: &str| CallLimit::new(1, SECOND).unwrap().route(route).full_route("gate").unwrap();
        assert_eq!(limit("room.say").unwrap(), "gate.room.say");
        assert_eq!(limit("hall.room.say").unwrap(), "hall.room.say");
        assert_eq!(limit("say").unwrap_err().code(), "PIT-400");
    }
}
