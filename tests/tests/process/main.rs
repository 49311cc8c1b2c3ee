//! Servers as processes: signals and draining, and what a server holds while clients misbehave and afterwards.

mod bad_input;
mod bench_server;
mod crowd;
mod messages;
mod signals;
mod visitor;
