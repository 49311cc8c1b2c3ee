//! Input and output of the machine.

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
    /// `None` if the list is read again only when it must be.
    pub(in crate::cluster::etcd) sync: Option<Duration>,
    /// The requested TTL of leases.
    pub(in crate::cluster::etcd) ttl: Duration,
}

/// A request to etcd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cluster::etcd) enum Request {
    /// Connect to the endpoint with this number, and check that it answers.
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

/// The result of a request.
#[derive(Debug)]
pub(in crate::cluster::etcd) enum Answer {
    Connected,
    /// A lease and its time to live.
    Granted(i64, Duration),
    Kept,
    /// The lease does not exist any more.
    LeaseGone,
    /// The own key is stored since this revision.
    Put(i64),
    /// The list is as of this revision, with the entry under the own key.
    Listed {
        revision: i64,
        own: Option<OwnEntry>,
    },
    Watching,
    Revoked,
    Failed(Fault),
}

pub(in crate::cluster::etcd) use crate::etcd::Fault;

/// An answer of etcd, as far as it matters for leases.
#[derive(Debug, Clone, Copy)]
pub(in crate::cluster::etcd) enum Sign {
    /// Any other answer.
    Any,
    /// The lease does not exist.
    LeaseGone,
    /// The list, as of this revision.
    List(i64),
}

/// An event of the watch.
#[derive(Debug)]
pub(in crate::cluster::etcd) enum Seen {
    /// Changes of other keys.
    Others,
    /// The own key was deleted at this revision.
    OwnDeleted(i64),
    /// The own key was put at this revision.
    OwnPut(i64, OwnEntry),
    /// etcd has compacted the revision to follow from.
    Compacted,
    /// The watch has ended.
    Broken(Fault),
}

/// The entry under the own key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cluster::etcd) struct OwnEntry {
    pub(in crate::cluster::etcd) lease: i64,
    /// Whether it equals the current entry of the own server.
    pub(in crate::cluster::etcd) same: bool,
}
