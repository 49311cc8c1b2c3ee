//! Binding storage: which frontend has which user, known to all servers of a cluster.
//!
//! A [`BindingStorage`] maps a user to the frontend that the user is connected to. Transports without a subject for
//! each user need it for pushes and kicks, and [`App::user_frontend`](crate::App::user_frontend) reads it.
//! `EtcdBindingStorage` keeps it in etcd under the keys of Go Pitaya; [`MemoryBindingStorage`] keeps it in this process.
//!
//! | part | job |
//! |---|---|
//! | `storage` | the trait, for a storage of the application's own |
//! | `machine` | decides what to store next; no I/O |
//! | `keeper` | runs the machine: one task for each frontend |
//! | `lookup` | finds users, and remembers them for an outage of the storage |
//!
//! # Binds and outages
//! A bind waits until the storage has the user, at most `pitaya.modules.bindingstorage.timeout`. After a timeout or a
//! failure binds do not wait until the storage has answered again. A bind never fails because of the storage. Once the
//! storage answers again, the frontend stores and removes what it could not before. If the storage has lost the
//! bindings of a frontend, the frontend stores all of them again.
//!
//! ```
//! use pitaya::binding::MemoryBindingStorage;
//! use pitaya::prelude::*;
//!
//! let app = App::builder().server_type("connector").binding_storage(MemoryBindingStorage::new());
//! ```

use std::time::Duration;

use tokio::time::timeout;

use crate::util::panic::catch_panic_async;

#[cfg(feature = "etcd")]
mod etcd;
mod keeper;
mod lookup;
mod machine;
mod memory;
mod storage;
#[cfg(test)]
mod testing;

#[cfg(feature = "etcd")]
#[cfg_attr(docsrs, doc(cfg(feature = "etcd")))]
pub use etcd::{EtcdBindingOptions, EtcdBindingStorage};
pub(crate) use keeper::Keeper;
pub use lookup::Lookup;
pub(crate) use machine::Replaced;
pub use memory::MemoryBindingStorage;
pub use storage::{BindingError, BindingFuture, BindingStorage, Kept, Put};

/// The longest time that a request without an answer counts as running, whatever the storage's own limit is.
const REQUEST: Duration = Duration::from_secs(60);

/// Makes a request. A panic of the storage and an answer that does not come in time count as its failure.
async fn limited<T, F>(request: impl FnOnce() -> F) -> Result<T, BindingError>
where
    F: Future<Output = Result<T, BindingError>>,
{
    match timeout(REQUEST, catch_panic_async("a binding storage", request)).await {
        Ok(Ok(result)) => result,
        Ok(Err(panicked)) => Err(BindingError::Unavailable(panicked.into())),
        Err(_) => Err(BindingError::Unavailable(format!("no answer within {REQUEST:?}").into())),
    }
}
