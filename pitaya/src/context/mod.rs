//! The context of a call: values and the time that is left (`docs/cluster.md`, "Context").
//!
//! A context travels through a cluster: calls that are made in the task which handles a call have the same context. A
//! spawned task gets it as a [`Context`] argument and gives it to the client with `.with_context(&cx)`.

mod call;
mod caller;
mod deadline;
mod key_mark;
mod lazy;
mod metadata;
#[cfg(test)]
mod tests;

pub use call::Context;
pub(crate) use caller::Caller;
pub use deadline::Deadline;
pub(crate) use key_mark::KeyMark;
pub use metadata::{Metadata, new_request_id, reserved};

use std::future::Future;

/// The context of a call that is handled.
#[derive(Debug, Clone, Default)]
#[doc(hidden)] // a part of `component::Kind`, which only this crate implements
pub struct Current {
    pub(crate) metadata: Metadata,
    pub(crate) deadline: Deadline,
}

tokio::task_local! {
    static CURRENT: Current;
}

impl Current {
    /// That of the call that this task handles; an empty one outside of any.
    pub(crate) fn get() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// Reads the context of the call that this task handles; an empty one outside of any.
    pub(crate) fn with<T>(read: impl FnOnce(&Self) -> T) -> T {
        if CURRENT.try_with(|_| ()).is_ok() { CURRENT.with(read) } else { read(&Self::default()) }
    }

    /// Handles a call with this context.
    pub(crate) fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }
}
