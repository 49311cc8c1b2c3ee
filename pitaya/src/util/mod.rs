//! Small tools that all other modules use.

pub(crate) mod backoff;
pub(crate) mod clock;
pub(crate) mod fnv;
pub(crate) mod host;
pub(crate) mod panic;
#[cfg(any(feature = "tls", feature = "nats"))]
pub(crate) mod pem;
pub(crate) mod redact;
pub(crate) mod sync;
pub(crate) mod tasks;
pub(crate) mod throttle;
