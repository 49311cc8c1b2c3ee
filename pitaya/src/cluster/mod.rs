//! The cluster: servers that find each other, call each other, and reach each other's users.
//!
//! | part | holds |
//! |---|---|
//! | [`server`] | one server as the others see it |
//! | [`Servers`] | all that are known, kept true by a [`Discovery`] |
//! | [`Transport`] | how they reach each other: over NATS (`NatsTransport`), within a process ([`MemoryTransport`]) |
//! | [`protos`] | what they say |
//! | [`request`] [`response`] | how calls and their answers are made and read |
//! | [`metadata`] | what of a call's context travels with it |
//! | [`subject`] [`key`] | the formats of addresses and of the registry's keys |
//!
//! `docs/cluster.md` has the protocol in words.

mod answering;
mod discovery;
mod failure;
pub mod key;
mod memory;
pub mod metadata;
#[cfg(feature = "nats")]
mod nats;
pub mod protos;
pub mod request;
pub mod response;
pub mod server;
mod servers;
pub mod subject;
mod transport;

pub use discovery::Discovery;
pub use failure::TransportError;
pub use memory::{MemoryBroker, MemoryTransport};
pub use metadata::Metadata;
#[cfg(feature = "nats")]
pub use nats::{BadNatsOption, NatsCounts, NatsOptions, NatsTls, NatsTransport};
pub use server::Server;
pub use servers::{Change, Servers, View};
pub use transport::{Address, Receiver, Transport};
