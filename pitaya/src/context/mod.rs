//! What goes along with a call: context values, and how much time is left (`docs/cluster.md`, "Context").
//!
//! Within a cluster it travels: whatever handles a call that came from another server makes its own calls with the
//! same context, by itself, for as long as it does so in the task that handles it. A task that was spawned takes it
//! along as a [`Context`](crate::component::Context) argument, and gives it to the client with `.with_context(&cx)`.

mod caller;
mod deadline;
mod key_mark;
mod lazy;
mod metadata;
#[cfg(test)]
mod tests;

pub(crate) use caller::Caller;
pub use deadline::Deadline;
pub(crate) use key_mark::KeyMark;
pub use metadata::{Metadata, new_request_id, reserved};

use std::future::Future;

/// The context of a call that is handled.
#[derive(Debug, Clone, Default)]
#[doc(hidden)] // a part of `component::Kind`, which nobody else implements
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
