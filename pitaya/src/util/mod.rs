//! Small tools that all other modules use.

pub(crate) mod clock;
pub(crate) mod fnv;
pub(crate) mod host;
pub(crate) mod panic;
pub(crate) mod redact;
pub(crate) mod sync;
pub(crate) mod tasks;
pub(crate) mod throttle;
