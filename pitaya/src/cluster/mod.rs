//! The cluster: servers that find each other, call each other, and reach each other's users.
//!
//! | part | holds |
//! |---|---|
//! | [`server`] | one server as the others see it |
//! | [`Servers`] | all that are known, kept true by a [`Discovery`]: over etcd, or [in memory](MemoryRegistry) |
//! | [`Transport`] | how they reach each other |
//! | [`protos`] | what they say |
//! | [`request`] [`response`] | how calls and their answers are made and read |
//! | [`metadata`] | what of a call's context travels with it |
//! | [`subject`] [`key`] | the formats of addresses and of the registry's keys |
//!
//! `docs/cluster.md` has the protocol in words.

mod discovery;
#[cfg(feature = "etcd")]
mod etcd;
mod failure;
pub mod key;
mod memory;
pub mod metadata;
pub mod protos;
pub mod request;
pub mod response;
pub mod server;
mod servers;
pub mod subject;
mod transport;

pub use discovery::Discovery;
#[cfg(feature = "etcd")]
#[cfg_attr(docsrs, doc(cfg(feature = "etcd")))]
pub use etcd::{EtcdDiscovery, EtcdOptions};
pub use failure::TransportError;
pub use memory::{MemoryDiscovery, MemoryRegistry};
pub use metadata::Metadata;
pub use server::Server;
pub use servers::{Change, Servers, View};
pub use transport::{Address, Receiver, Transport};
