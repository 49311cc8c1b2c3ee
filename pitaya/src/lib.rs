//! Pitaya: a framework for distributed game servers.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod acceptor;
pub mod app;
pub mod client;
pub mod component;
pub mod config;
mod connection;
mod dispatch;
pub mod error;
pub mod group;
pub mod metrics;
pub mod module;
pub mod pipeline;
pub mod route;
pub mod serialize;
pub mod session;
pub mod timer;
pub mod wire;
