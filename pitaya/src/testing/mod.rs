//! A whole cluster within one test: several apps in one process, connected in memory, with paused time, seeded faults,
//! and a trace that compares two runs. Feature `testing`.
//!
//! ```standalone_crate
//! use std::time::Duration;
//!
//! use pitaya::prelude::*;
//! use pitaya::testing::{Cluster, Faults};
//!
//! #[message] pub struct Hello { pub name: String }
//! #[message] pub struct Greeting { pub text: String }
//!
//! #[derive(Component)] pub struct Gate;
//! #[derive(Component)] pub struct Room;
//!
//! #[handler(server = "gate")]
//! impl Gate {
//!     pub async fn enter(&self, session: Session, msg: Hello) -> Result<()> {
//!         session.bind(&msg.name).await
//!     }
//! }
//!
//! #[handler(server = "room")]
//! impl Room {
//!     pub async fn greet(&self, msg: Hello) -> Result<Greeting> {
//!         Ok(Greeting { text: format!("Hello, {}!", msg.name) })
//!     }
//! }
//!
//! # // `#[tokio::test(start_paused = true)]` in a test
//! #[tokio::main(flavor = "current_thread", start_paused = true)]
//! async fn main() -> Result<()> {
//!     let cluster = Cluster::seeded(7);
//!     let room = cluster.backend("room", |app| app).await?;
//!     let gate = cluster.frontend("gate", |app| app).await?;
//!     cluster.faults(Faults { delay: Duration::from_millis(1)..Duration::from_millis(20), ..Faults::default() });
//!
//!     let player = gate.client().await?;
//!     let hello = Hello { name: "ann".into() };
//!     player.request(&Gate::ENTER, &hello).await?;
//!     assert!(gate.app().sessions().by_uid("ann").is_some());
//!
//!     assert_eq!(player.request(&Room::GREET, &hello).await?.text, "Hello, ann!");
//!
//!     cluster.isolate(&room);
//!     assert_eq!(player.request(&Room::GREET, &hello).await.err().unwrap().code(), "PIT-503");
//!     cluster.heal();
//!     assert_eq!(player.request(&Room::GREET, &hello).await?.text, "Hello, ann!");
//!     Ok(())
//! }
//! ```
//!
//! | type | job |
//! |---|---|
//! | [`Cluster`] | starts servers, injects faults, and returns the trace |
//! | [`TestServer`] | one server |
//! | [`Faults`] | random delays, losses and duplicates |
//! | [`Trace`] | all messages between the servers |
//! | [`run`] | one scenario with one seed, in its own runtime: for hundreds of seeds |
//! | [`memory_acceptor`] | clients without sockets, for tests of one app |
//!
//! # One seed, one run
//! The same seed gives the same run, down to the bytes of each message and its virtual time, in any process, if
//! - the test has a runtime of one thread (`#[tokio::test]` has) and paused time (`start_paused = true`);
//! - it has one [`Cluster`] in its thread at a time, and draws random numbers from `fastrand` or a seed;
//! - its components and tasks are deterministic. Sources of randomness without a seed are: `Instant` and `SystemTime`
//!   of `std`, the order of a `HashMap` or a `DashMap`, random UUIDs, threads and `spawn_blocking`, sockets and files,
//!   `tokio::select!` without `biased;`, and the order in which `tokio::sync::watch` wakes its receivers.
//!
//! A [`Cluster`] without paused time logs a warning.
//!
//! The framework itself is deterministic: ids of servers, sessions and requests, the choice of routers, the wall clock
//! of binds, the order of messages, of discovery, of closing sessions and of the calls that fail with them, and the
//! remains of a [crashed](Cluster::crash) server. Exceptions are the ids of servers of an app that is started beside
//! the cluster, and durations in metrics.
//!
//! # Time
//! Paused time advances by itself to the next deadline when every task is idle. So a request without an answer fails
//! after its five virtual seconds without a real wait, and a test that waits for an hour is as fast as one that does
//! not.

mod acceptor;
mod cluster;
mod discovery;
mod faults;
mod run;
mod server;
mod shared;
mod simulator;
mod trace;

pub use acceptor::{Dialer, MemoryAcceptor, memory_acceptor};
pub use cluster::Cluster;
pub use faults::Faults;
pub use run::run;
pub use server::TestServer;
pub use trace::Trace;
