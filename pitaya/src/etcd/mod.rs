//! Connections to etcd, for every part of the library that uses it.
//!
//! | part | does |
//! |---|---|
//! | `access` | addresses, credentials and certificates |
//! | `connection` | one connection to one endpoint: TLS, authentication, keep alive, message size |
//! | `pages` | reads of any size |
//! | `fault` | what an error of etcd means, and what to do about it |
//! | `reconnecting` | one connection at a time, replaced after a failure, for requests that are independent of each other |
//!
//! Discovery holds a [`Connection`] and decides itself when to replace it, because its lease and its watch depend on it.
//! Everything else uses a [`ReconnectingClient`].

mod access;
mod connection;
mod fault;
mod pages;
mod reconnecting;

pub use access::HEALTH_CHECK;
pub(crate) use access::{Access, shown_all};
pub(crate) use connection::Connection;
pub(crate) use fault::{Fault, code, status};
pub(crate) use pages::Pages;
pub(crate) use reconnecting::{Failure, ReconnectingClient};
