//! Groups in etcd, shared by all servers of a cluster, Go Pitaya's included (`docs/cluster.md`, "Groups").

mod options;

pub use options::EtcdGroupOptions;

use std::time::Duration;

use etcd_client::{
    Compare, CompareOp, DeleteOptions, Error as EtcdError, GetOptions, GetResponse, KeyValue, PutOptions,
    Txn, TxnOp, TxnOpResponse, TxnResponse,
};
use tokio::time::Instant;

use super::{GroupError, GroupStore, Members, StoreFuture, key};
use crate::etcd::{Access, Connection, Failure, Pages, ReconnectingClient, code, deadline, status};

/// Keeps groups in etcd, for [`Builder::group_store`](crate::app::Builder::group_store). Needs the feature `etcd`.
///
/// Each operation is one transaction. The store connects with the first operation. An operation that etcd did not
/// carry out is sent to the next endpoint, within [`transaction_timeout`](EtcdGroupOptions::transaction_timeout). A
/// write whose answer is lost fails, and may have been carried out. While etcd is unreachable operations fail, and
/// nothing else. An expired token is renewed.
///
/// ```no_run
/// use pitaya::group::{EtcdGroupOptions, EtcdStore};
/// use pitaya::prelude::*;
///
/// let app = App::builder().group_store(EtcdStore::new(EtcdGroupOptions::default()));
/// ```
#[derive(Debug)]
pub struct EtcdStore {
    options: EtcdGroupOptions,
    etcd: ReconnectingClient,
}

/// The most attempts of an operation whose group changes between its read and its write.
const ATTEMPTS: u32 = 8;

type StoreResult<T> = Result<T, GroupError>;

impl EtcdStore {
    /// Makes a store that is not connected yet.
    #[must_use]
    pub fn new(options: EtcdGroupOptions) -> Self {
        let access = Access {
            endpoints: options.endpoints.clone(),
            endpoints_key: "pitaya.groups.etcd.endpoints",
            user: options.user.clone(),
            pass: options.pass.clone(),
            ca_file: options.ca_file.clone(),
            dial_timeout: options.dial_timeout,
            prefix: options.prefix.clone(),
        };
        Self { options, etcd: ReconnectingClient::new(access) }
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.options.prefix)
    }

    fn group(&self, group: &str) -> String {
        self.key(&key::group(group))
    }

    fn member(&self, group: &str, uid: &str) -> String {
        self.key(&key::member(group, uid))
    }

    fn members_prefix(&self, group: &str) -> String {
        self.key(&key::members(group))
    }

    /// Returns the deadline of an operation that begins now.
    fn deadline(&self) -> Instant {
        deadline(self.options.transaction_timeout)
    }

    /// Sends a transaction that changes something.
    async fn write(&self, deadline: Instant, txn: Txn) -> StoreResult<TxnResponse> {
        self.etcd.write(deadline, |connection| send_txn(connection, txn.clone())).await.map_err(store_error)
    }

    /// Sends a transaction on an existing group. It may be carried out twice.
    async fn on_group(&self, group: &str, then: impl Into<Vec<TxnOp>>) -> StoreResult<Vec<TxnOpResponse>> {
        let txn = Txn::new().when([exists(self.group(group))]).and_then(then);
        let done = self
            .etcd
            .read(self.deadline(), |connection| send_txn(connection, txn.clone()))
            .await
            .map_err(store_error)?;
        if done.succeeded() { Ok(done.op_responses()) } else { Err(GroupError::NotFound) }
    }

    /// Returns the lease of an existing group; 0 if it has none.
    async fn lease(&self, deadline: Instant, group: &str) -> StoreResult<i64> {
        let key = self.group(group);
        let get = |connection: Connection| {
            let key = key.clone();
            async move { connection.kv().get(key, None).await }
        };
        let got = self.etcd.read(deadline, get).await.map_err(store_error)?;
        Ok(got.kvs().first().ok_or(GroupError::NotFound)?.lease())
    }

    /// Revokes a lease. If this fails, the lease expires later.
    async fn revoke(&self, deadline: Instant, lease: i64) {
        let revoked = self
            .etcd
            .read(deadline, |connection: Connection| async move { connection.leases().revoke(lease).await })
            .await;
        if let Err(failure) = revoked
            && !matches!(&failure, Failure::Answered(error, _) if code(error) == Some(status::NOT_FOUND))
        {
            tracing::debug!(error = %store_error(failure), lease, "failed to revoke the lease of a group");
        }
    }
}

async fn send_txn(connection: Connection, txn: Txn) -> Result<TxnResponse, EtcdError> {
    connection.kv().txn(txn).await
}

fn store_error(failure: Failure) -> GroupError {
    let (Failure::Answered(_, fault) | Failure::Lost(fault)) = failure;
    GroupError::Store(fault.text.into())
}

/// Returns the error of an operation that used up its attempts.
fn too_many_changes() -> GroupError {
    GroupError::Store(format!("a group was changed {ATTEMPTS} times during one operation").into())
}

fn exists(key: String) -> Compare {
    Compare::create_revision(key, CompareOp::Greater, 0)
}

fn is_missing(key: String) -> Compare {
    Compare::create_revision(key, CompareOp::Equal, 0)
}

/// Returns the first read of a transaction.
fn first_read(responses: &[TxnOpResponse]) -> Option<&GetResponse> {
    responses.iter().find_map(|response| match response {
        TxnOpResponse::Get(got) => Some(got),
        _ => None,
    })
}

/// Returns the numbers of keys that the two reads of a transaction found.
fn two_counts(responses: &[TxnOpResponse]) -> (i64, i64) {
    let mut found = responses.iter().map(|response| match response {
        TxnOpResponse::Get(got) => got.count(),
        _ => 0,
    });
    (found.next().unwrap_or(0), found.next().unwrap_or(0))
}

/// Returns the number of keys that a transaction counted.
fn count_of(responses: &[TxnOpResponse]) -> usize {
    first_read(responses).map_or(0, |got| usize::try_from(got.count()).unwrap_or(0))
}

impl GroupStore for EtcdStore {
    fn create<'a>(&'a self, group: &'a str, ttl: Option<Duration>) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let deadline = self.deadline();
            let lease = match ttl {
                None => 0,
                Some(ttl) => {
                    // etcd takes whole seconds, at least one. It may raise short ones.
                    let seconds = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX).max(1);
                    let grant = |connection: Connection| async move {
                        connection.leases().grant(seconds, None).await
                    };
                    self.etcd.write(deadline, grant).await.map_err(store_error)?.id()
                }
            };
            let key = self.group(group);
            let put = TxnOp::put(key.clone(), "", Some(PutOptions::new().with_lease(lease)));
            let done = self.write(deadline, Txn::new().when([is_missing(key)]).and_then([put])).await;
            if done.as_ref().is_ok_and(TxnResponse::succeeded) {
                return Ok(());
            }
            if lease != 0 {
                // If the group was created although the answer was lost, it expires with its lease.
                self.revoke(self.deadline(), lease).await;
            }
            done.and(Err(GroupError::Exists))
        })
    }

    fn members<'a>(&'a self, group: &'a str) -> StoreFuture<'a, Members> {
        Box::pin(async move {
            let (prefix, group) = (self.members_prefix(group), self.group(group));
            let read = |connection: Connection| {
                let (prefix, when) = (prefix.clone(), [exists(group.clone())]);
                async move { Pages::read(&connection, &prefix, true, &when).await }
            };
            let read = self.etcd.read(self.deadline(), read).await.map_err(store_error)?;
            let Pages { pages, .. } = read.ok_or(GroupError::NotFound)?;
            let uid = |key: &[u8]| {
                key.strip_prefix(prefix.as_bytes()).map(|uid| String::from_utf8_lossy(uid).into())
            };
            Ok(pages.iter().flat_map(|page| page.kvs()).filter_map(|kv| uid(kv.key())).collect())
        })
    }

    fn contains<'a>(&'a self, group: &'a str, uid: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let count = TxnOp::get(self.member(group, uid), Some(GetOptions::new().with_count_only()));
            Ok(count_of(&self.on_group(group, [count]).await?) > 0)
        })
    }

    fn add<'a>(&'a self, group: &'a str, uid: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let deadline = self.deadline();
            let (name, group, member) = (group, self.group(group), self.member(group, uid));
            for _ in 0..ATTEMPTS {
                let lease = self.lease(deadline, name).await?;
                let options = PutOptions::new().with_lease(lease);
                let txn = Txn::new()
                    .when([
                        exists(group.clone()),
                        // The group may have been deleted and created again since.
                        Compare::lease(group.clone(), CompareOp::Equal, lease),
                        is_missing(member.clone()),
                    ])
                    .and_then([TxnOp::put(member.clone(), "", Some(options))])
                    .or_else([TxnOp::get(group.clone(), None), TxnOp::get(member.clone(), None)]);
                let sent = self.etcd.write(deadline, |connection| send_txn(connection, txn.clone())).await;
                let done = match sent {
                    Ok(done) => done,
                    // The lease has expired in between, and the group with it.
                    Err(Failure::Answered(error, _)) if code(&error) == Some(status::NOT_FOUND) => continue,
                    Err(failure) => return Err(store_error(failure)),
                };
                if done.succeeded() {
                    return Ok(());
                }
                let (groups, members) = two_counts(&done.op_responses());
                if groups == 0 {
                    return Err(GroupError::NotFound);
                }
                if members > 0 {
                    return Err(GroupError::MemberExists);
                }
            }
            Err(too_many_changes())
        })
    }

    fn remove<'a>(&'a self, group: &'a str, uid: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let member = self.member(group, uid);
            let count = TxnOp::get(self.group(group), Some(GetOptions::new().with_count_only()));
            let txn = Txn::new()
                .when([exists(member.clone())])
                .and_then([TxnOp::delete(member, None)])
                .or_else([count]);
            let done = self.write(self.deadline(), txn).await?;
            if done.succeeded() {
                return Ok(());
            }
            let group_exists = count_of(&done.op_responses()) > 0;
            Err(if group_exists { GroupError::MemberNotFound } else { GroupError::NotFound })
        })
    }

    fn join<'a>(&'a self, group: &'a str, uid: &'a str, owner: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let deadline = self.deadline();
            let (name, group, member) = (group, self.group(group), self.member(group, uid));
            for _ in 0..ATTEMPTS {
                let lease = self.lease(deadline, name).await?;
                // The group may have been deleted and created again since.
                let group_is_same =
                    || [exists(group.clone()), Compare::lease(group.clone(), CompareOp::Equal, lease)];
                let put = || TxnOp::put(member.clone(), owner, Some(PutOptions::new().with_lease(lease)));
                // Adds a new member; else takes one whose owner is lesser; else reads the owner and the group.
                let mut is_lesser = group_is_same().to_vec();
                is_lesser.push(exists(member.clone()));
                is_lesser.push(Compare::value(member.clone(), CompareOp::Less, owner));
                let lesser = Txn::new()
                    .when(is_lesser)
                    .and_then([put()])
                    .or_else([TxnOp::get(group.clone(), None), TxnOp::get(member.clone(), None)]);
                let mut is_new = group_is_same().to_vec();
                is_new.push(is_missing(member.clone()));
                let txn = Txn::new().when(is_new).and_then([put()]).or_else([TxnOp::txn(lesser)]);
                // It may be carried out twice, because the owner is the same.
                let sent = self.etcd.read(deadline, |connection| send_txn(connection, txn.clone())).await;
                let done = match sent {
                    Ok(done) => done,
                    // The lease has expired in between, and the group with it.
                    Err(Failure::Answered(error, _)) if code(&error) == Some(status::NOT_FOUND) => continue,
                    Err(failure) => return Err(store_error(failure)),
                };
                if done.succeeded() {
                    return Ok(true);
                }
                let responses = done.op_responses();
                let Some(TxnOpResponse::Txn(inner)) = responses.first() else { continue };
                if inner.succeeded() {
                    return Ok(true);
                }
                let looked = inner.op_responses();
                let first = |at: usize| match looked.get(at) {
                    Some(TxnOpResponse::Get(got)) => got.kvs().first(),
                    _ => None,
                };
                let Some(found) = first(0) else { return Err(GroupError::NotFound) };
                if found.lease() != lease {
                    continue;
                }
                if let Some(found) = first(1) {
                    return Ok(found.value() == owner.as_bytes());
                }
            }
            Err(too_many_changes())
        })
    }

    fn leave<'a>(&'a self, group: &'a str, uid: &'a str, owner: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let member = self.member(group, uid);
            let own = Compare::value(member.clone(), CompareOp::Equal, owner);
            let txn = Txn::new().when([own]).and_then([TxnOp::delete(member, None)]);
            Ok(self.write(self.deadline(), txn).await?.succeeded())
        })
    }

    fn remove_all<'a>(&'a self, group: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let all = TxnOp::delete(self.members_prefix(group), Some(DeleteOptions::new().with_prefix()));
            self.on_group(group, [all]).await.map(drop)
        })
    }

    fn count<'a>(&'a self, group: &'a str) -> StoreFuture<'a, usize> {
        Box::pin(async move {
            let options = GetOptions::new().with_prefix().with_count_only();
            let count = TxnOp::get(self.members_prefix(group), Some(options));
            Ok(count_of(&self.on_group(group, [count]).await?))
        })
    }

    fn renew_ttl<'a>(&'a self, group: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let deadline = self.deadline();
            let mut gone = None;
            for _ in 0..ATTEMPTS {
                let lease = self.lease(deadline, group).await?;
                if lease == 0 {
                    return Err(GroupError::NoTtl);
                }
                // etcd deletes the keys a moment after their lease.
                if gone == Some(lease) {
                    return Err(GroupError::NotFound);
                }
                let keep = |connection: Connection| async move { connection.keep_alive(lease).await };
                match self.etcd.read(deadline, keep).await {
                    Ok(()) => return Ok(()),
                    // The lease has expired in between, or the group was created again with another one.
                    Err(Failure::Answered(EtcdError::LeaseKeepAliveError(_), _)) => gone = Some(lease),
                    Err(failure) => return Err(store_error(failure)),
                }
            }
            Err(too_many_changes())
        })
    }

    fn delete<'a>(&'a self, group: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let deadline = self.deadline();
            let (members, group) = (self.members_prefix(group), self.group(group));
            let members = TxnOp::delete(members, Some(DeleteOptions::new().with_prefix()));
            let own = TxnOp::delete(group.clone(), Some(DeleteOptions::new().with_prev_key()));
            let done =
                self.write(deadline, Txn::new().when([exists(group)]).and_then([members, own])).await?;
            if !done.succeeded() {
                return Err(GroupError::NotFound);
            }
            let leases = done.op_responses().into_iter().flat_map(|response| match response {
                TxnOpResponse::Delete(deleted) => deleted.prev_kvs().iter().map(KeyValue::lease).collect(),
                _ => Vec::new(),
            });
            for lease in leases.filter(|lease| *lease != 0) {
                self.revoke(deadline, lease).await;
            }
            Ok(())
        })
    }
}
