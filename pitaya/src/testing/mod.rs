//! A whole cluster within one test: several apps in one process that find and reach each other in memory, with time that
//! is paused, faults that a seed decides, and a trace by which two runs are compared. Feature `testing`.
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
//!     assert!(gate.sessions().by_uid("ann").is_some());
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
//! | what | is |
//! |---|---|
//! | [`Cluster`] | starts servers, lets go wrong what may, and tells what happened |
//! | [`TestServer`] | one of them, an [`App`](crate::app::App) |
//! | [`Faults`] | delays, losses and duplicates by chance; which messages may meet which |
//! | [`Trace`] | all that passed between the servers |
//! | [`run`] | one scenario with one seed, in a runtime of its own: for hundreds of seeds |
//! | [`memory_acceptor`] | clients without sockets, for tests of one app |
//!
//! # One seed, one run
//! The same seed gives the same run, down to the bytes of each message and its virtual time, in any process, if
//! - the test has a runtime of one thread (`#[tokio::test]` has) and paused time (`start_paused = true`);
//! - it makes one [`Cluster`] in its thread at a time, and draws its own chance from `fastrand` or a seed;
//! - its components and its own tasks do what follows from their input. What is by a chance that no seed decides:
//!   `Instant` and `SystemTime` of `std`, the order of a `HashMap` or a `DashMap`, random UUIDs, threads and
//!   `spawn_blocking`, sockets and files, `tokio::select!` without `biased;`, and the order in which `tokio::sync::watch`
//!   wakes those who wait for it.
//!
//! A [`Cluster`] that finds that time is not paused logs a warning.
//!
//! What the framework itself needs is taken care of: ids of servers, sessions and requests, the choice of routers, the
//! wall clock by which binds are compared, the order of messages, of news, of sessions that close and of calls that fail
//! with them, and what is left of a server that [crashes](Cluster::crash). Not the same are the ids of servers of an app
//! that is started beside the cluster, and what metrics say of how long something took.
//!
//! # Time
//! Time that is paused goes on by itself when every task rests, to the next moment at which something is due. So a
//! request that is never answered fails after its five seconds at once, and a test that waits for an hour is as fast as one
//! that does not.

mod acceptor;
mod cluster;
mod discovery;
mod faults;
mod run;
mod server;
mod simulator;
mod trace;

pub use acceptor::{Dialer, MemoryAcceptor, memory_acceptor};
pub use cluster::Cluster;
pub use faults::Faults;
pub use run::run;
pub use server::TestServer;
pub use trace::Trace;
