//! What goes into the machine and what comes out.

use std::time::Duration;

/// The times and bounds of one server; see [`EtcdOptions`](super::EtcdOptions).
#[derive(Debug, Clone)]
pub(in crate::cluster::etcd) struct Limits {
    /// The addresses, as they may be shown.
    pub(in crate::cluster::etcd) endpoints: Vec<String>,
    pub(in crate::cluster::etcd) request: Duration,
    pub(in crate::cluster::etcd) try_: Duration,
    pub(in crate::cluster::etcd) retry: Duration,
    pub(in crate::cluster::etcd) max_retries: u32,
    /// None: the list is read anew only when it must be.
    pub(in crate::cluster::etcd) sync: Option<Duration>,
    /// The time to live that leases are asked for.
    pub(in crate::cluster::etcd) ttl: Duration,
}

/// A request to etcd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cluster::etcd) enum Request {
    /// Make a connection to the endpoint with this number, and see that it answers.
    Connect(usize),
    /// Take a lease.
    Grant,
    /// Keep this lease alive.
    Keep(i64),
    /// Put the own key under this lease.
    Put(i64),
    /// Read the list.
    List,
    /// Follow changes from this revision on.
    Watch(i64),
    /// Give this lease back, and with it the key.
    Revoke(i64),
}

/// What came of a request.
#[derive(Debug)]
pub(in crate::cluster::etcd) enum Answer {
    Connected,
    /// A lease and its time to live.
    Granted(i64, Duration),
    Kept,
    /// The lease that was to be kept, used or given back is not there any more.
    LeaseGone,
    /// The own key is there since this revision.
    Put(i64),
    /// The list was as of this revision; what it had under the own key.
    Listed {
        revision: i64,
        own: Option<OwnEntry>,
    },
    Watching,
    Revoked,
    Failed(Fault),
}

pub(in crate::cluster::etcd) use crate::etcd::Fault;

/// A sign of life of etcd.
#[derive(Debug, Clone, Copy)]
pub(in crate::cluster::etcd) enum Sign {
    /// Nothing in particular.
    Any,
    /// The lease that was thought to live is not there.
    LeaseGone,
    /// The list, as of this revision.
    List(i64),
}

/// What the watch brought.
#[derive(Debug)]
pub(in crate::cluster::etcd) enum Seen {
    /// Whatever does not concern the own key.
    Others,
    /// The own key was deleted at this revision.
    OwnDeleted(i64),
    /// The own key was put at this revision.
    OwnPut(i64, OwnEntry),
    /// The revision that was to be followed from is forgotten.
    Compacted,
    /// It has ended.
    Broken(Fault),
}

/// What is under the own key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cluster::etcd) struct OwnEntry {
    pub(in crate::cluster::etcd) lease: i64,
    /// Whether it says what the own server says of itself now.
    pub(in crate::cluster::etcd) same: bool,
}
