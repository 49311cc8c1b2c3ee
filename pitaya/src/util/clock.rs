//! The wall clock: the one kind of time that does not come from `tokio::time`, and so is not paused with it.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// Says what time it is. That of the machine by default; tests have their own.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    pub(crate) fn now(&self) -> SystemTime {
        (self.0)()
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self(Arc::new(SystemTime::now))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}
