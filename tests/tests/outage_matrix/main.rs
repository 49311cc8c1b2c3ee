//! Every client of an outside service, in every outage of that service.
//!
//! Bindings ([`etcd_bindings`]) have the cells of groups.
//!
//! | fault | [`etcd_discovery`] | [`etcd_groups`] | [`nats_rpc`] |
//! |---|---|---|---|
//! | killed and restarted | A, B, C | A, B, C | A, B, C |
//! | frozen, and going on | A, B, C | A, B, C | A, B, C |
//! | black hole: all connections, new ones too, are accepted and never answered | A, B, C; the lease ends meanwhile | A, B, C | A, B, C |
//! | wrong password, then the right one again | A, B, C, D | A, B, C, D | A, B, C, D |
//! | token expired | E, C | E, C | no cell: NATS has no tokens with an end |
//! | one member of three down: killed, frozen, a black hole, by turns | F, C | F, C | F, C |
//! | all members replaced, one by one | F, C; at the addresses of the old ones | F, C; at the addresses of the old ones | F, C; at new addresses |
//!
//! - **A**: every operation ends within its deadline, with an error that names the reason. `is_ready` becomes false.
//! - **B**: after the fault operations succeed again and `is_ready` is true, without help and in bounded time.
//!   Of groups no more than two operations fail then.
//! - **C**: nothing is lost. Discovery: the server is registered as it was announced last, and follows the others, none of
//!   which it took for gone. Groups: members that joined, before the fault or during it, are members. Bindings: users that were
//!   put are found. RPC: users that
//!   were served, before the fault or during it, get their pushes, and the server its requests and news of binds.
//! - **D**: a client that starts with the wrong password fails in bounded time. The error says that the user is refused,
//!   and never says the password.
//! - **E**: no operation fails, no connection is given up, and `is_ready` stays true.
//! - **F**: operations succeed again in bounded time while the member is down, and so does a client that starts then.
//!   From then on none fails, and `is_ready` is true.
//!
//! Groups and bindings have no part in `is_ready`. A new client of an outside service is one more implementation of
//! [`driver::Client`], with one test for each fault.

mod driver;
mod etcd_bindings;
mod etcd_discovery;
mod etcd_groups;
mod etcd_service;
mod nats_rpc;
mod nats_service;
