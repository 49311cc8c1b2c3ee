//! Clusters: what servers say to each other, without saying it.
//!
//! These are the pure parts: formats that are made and read, the same over every transport, as Go servers of the
//! original write them. Discovery, transports and what an app does with them come with the cluster itself; a server of
//! this version stands alone. `docs/cluster.md` has the protocol in words.
//!
//! | part | holds |
//! |---|---|
//! | [`server`] | one server as the others see it |
//! | [`protos`] | what servers say |
//! | [`request`] [`response`] | how calls and their answers are made and read |
//! | [`metadata`] | what of a call's context travels with it |
//! | [`subject`] [`key`] | the formats of addresses and of the registry's keys |

mod failure;
pub mod key;
pub mod metadata;
pub mod protos;
pub mod request;
pub mod response;
pub mod server;
pub mod subject;

pub use failure::TransportError;
pub use metadata::Metadata;
pub use server::Server;
