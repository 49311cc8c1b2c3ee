//! The sessions of a module, which delay a drain.

use super::SessionModule;
use crate::util::panic::catch_panic;

/// Erases the type of a session module.
pub(super) trait Sessions: Send + Sync {
    fn start_draining(&self);
    /// Returns how many are left. A panic counts as none, so that a broken module cannot delay the stop.
    fn left(&self) -> usize;
}

impl<M: SessionModule> Sessions for M {
    fn start_draining(&self) {
        // A panic has been logged.
        let _ = catch_panic("module start_session_draining", || self.start_session_draining());
    }

    fn left(&self) -> usize {
        catch_panic("module session_count", || self.session_count()).unwrap_or(0)
    }
}
