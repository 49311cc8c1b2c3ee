//! Servers as processes: signals and draining, and what a server holds while clients misbehave and afterwards.

mod bad_client;
mod bad_input;
mod bench_server;
mod load_clients;
mod messages;
mod signals;
