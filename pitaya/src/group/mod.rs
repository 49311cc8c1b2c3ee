//! Groups: named sets of users, which a push reaches together.
//!
//! [`Groups`] is a service of the app: a component has it as a field, a handler or a remote takes it as an
//! argument. A [`GroupStore`] keeps the groups; [`MemoryStore`] keeps them in this process. A member is a uid, not a
//! connection. A member that was added stays until code removes it; one that joined by [`Group::join`] leaves with its
//! session.
//!
//! [`Users`] reaches any users by their uids. It delivers to sessions of this server itself, and gives the other uids to
//! the cluster (`cluster/users.rs`), which publishes to their frontends. There `cluster/local_sessions.rs` delivers.
//!
//! | file | holds |
//! |---|---|
//! | `groups`, `membership` | [`Groups`] and [`Group`]; memberships that end with a session |
//! | `users` | [`Users`], and the [`Delivery`] that names users who were not reached |
//! | `store`, `memory`, `etcd` | [`GroupStore`], and groups in memory or in etcd |
//!
//! ```
//! use pitaya::group::Groups;
//! use pitaya::prelude::*;
//!
//! #[message(push = "onMessage")]
//! struct ChatMessage { from: String, text: String }
//!
//! async fn say(groups: &Groups, session: &Session, text: String) -> Result<()> {
//!     let lobby = groups.group("lobby");
//!     lobby.push(&ChatMessage { from: session.require_uid()?.to_string(), text }).await?;
//!     Ok(())
//! }
//! ```

mod error;
#[cfg(feature = "etcd")]
mod etcd;
mod groups;
pub mod key;
mod membership;
mod memory;
mod store;
mod users;

pub use error::GroupError;
#[cfg(feature = "etcd")]
#[cfg_attr(docsrs, doc(cfg(feature = "etcd")))]
pub use etcd::{EtcdGroupOptions, EtcdStore};
pub use groups::{Group, Groups};
pub use memory::MemoryStore;
pub use store::{GroupStore, Members, StoreFuture};
pub use users::{Delivery, Users};

#[cfg(test)]
mod tests;
