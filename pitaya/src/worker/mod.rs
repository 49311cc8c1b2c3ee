//! Reliable RPC: calls of remotes as jobs in Redis, which a worker runs until one run succeeds.
//!
//! Generated clients, [`App::reliable_rpc`](crate::app::App::reliable_rpc) and [`Reliable`] enqueue jobs.
//! [`Builder::worker`](crate::app::Builder::worker) makes a server run them. Format and keys are those of Go Pitaya, so
//! that servers of both kinds enqueue and run each other's jobs. The guide `docs/guide/reliable-rpc.md` describes
//! retries, dead jobs, delayed jobs and idempotency keys.
//!
//! A job runs at least once. It runs again after a failure, after the death of its worker, and after an outage of Redis
//! that made its worker look dead. [`Reliable::once`] and `#[idempotent]` on the remote limit that to one success.
//!
//! ```no_run
//! # use pitaya::prelude::*;
//! # #[message(proto)] #[derive(PartialEq)] pub struct Entry { #[tag(1)] text: String }
//! # #[remote(server = "metagame")] pub trait MetaApi { async fn log(&self, req: Entry) -> Result<()>; }
//! # async fn example(meta: MetaApiClient) -> Result<()> {
//! use std::time::Duration;
//!
//! let entry = Entry { text: "ann won".into() };
//! let job = meta.reliable().after(Duration::from_secs(60)).once("round-7").log(&entry).await?;
//! println!("enqueued {job}");
//! # Ok(()) }
//! ```

mod adoption;
pub(crate) mod arg;
mod builder;
mod connection;
mod date;
mod fields;
mod heartbeat;
mod job;
mod keys;
mod once;
mod options;
mod poll;
pub(crate) mod pool;
mod retry;
pub(crate) mod run;
mod sender;
mod settle;
pub(crate) mod stats;
mod tls;

pub use builder::Worker;
pub use options::Retry;
pub(crate) use options::{Options, RedisOptions};
pub use sender::{JobId, Reliable};
