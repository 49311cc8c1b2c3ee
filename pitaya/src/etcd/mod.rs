//! Connections to etcd, for every part of the library that uses it.
//!
//! | part | does |
//! |---|---|
//! | `access` | addresses, credentials and certificates |
//! | `link` | one connection to one endpoint: TLS, authentication, keep alive, message size |
//! | `pages` | reads of any size |
//! | `fault` | what an error of etcd means, and what to do about it |
//! | `connection` | one link at a time, replaced after a failure, for requests that are independent of each other |
//!
//! Discovery holds a [`Link`] and decides itself when to replace it, because its lease and its watch depend on it.
//! Everything else uses a [`Connection`].

mod access;
mod connection;
mod fault;
mod link;
mod pages;

pub(crate) use access::{Access, full_url, shown};
pub(crate) use connection::{Connection, Failure};
pub(crate) use fault::{Fault, code, status};
pub(crate) use link::Link;
pub(crate) use pages::Pages;
