//! Groups in etcd: shared by all servers of a cluster, those of the original among them (`docs/cluster.md`, "Groups").

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use etcd_client::{
    Compare, CompareOp, DeleteOptions, Error as EtcdError, GetOptions, GetResponse, KeyValue, PutOptions,
    Txn, TxnOp, TxnOpResponse, TxnResponse,
};
use tokio::time::Instant;

use super::{GroupError, GroupStore, Members, StoreFuture, key};
use crate::config::Config;
use crate::etcd::{Access, Connection, Failure, Pages, ReconnectingClient, code, full_url, shown, status};

/// How the etcd of the groups is reached.
///
/// ```
/// use pitaya::group::EtcdGroupOptions;
///
/// let options = EtcdGroupOptions { prefix: "game-7/".into(), ..EtcdGroupOptions::default() };
/// assert_eq!(options.endpoints, ["localhost:2379"]);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct EtcdGroupOptions {
    /// Addresses of etcd: `host:port`, optionally with `http://` or `https://` before it. One is used at a time; the next
    /// one is used when it fails. `:2379` is `localhost:2379`, and so is `localhost`. Of a name all addresses are tried.
    /// The client addresses of members that join later are not learned. `https://` needs the feature `tls`.
    pub endpoints: Vec<String>,
    /// The user; sent only if the password is not empty either.
    pub user: String,
    /// The user's password. It is in no log, no error and no `Debug`.
    pub pass: String,
    /// What every key begins with; a slash at its end is a part of it.
    pub prefix: String,
    /// The longest that a connection may take.
    pub dial_timeout: Duration,
    /// The longest that one operation may take, with the connection if it needs a new one.
    pub transaction_timeout: Duration,
    /// A file with the certificates, in PEM, of the authorities that `https://` endpoints are trusted by. Without one,
    /// those of the system are. An endpoint without a scheme is `https://` if there is one. Needs the feature `tls`.
    pub ca_file: Option<PathBuf>,
}

impl Default for EtcdGroupOptions {
    fn default() -> Self {
        Self {
            endpoints: vec!["localhost:2379".into()],
            user: String::new(),
            pass: String::new(),
            prefix: "pitaya/".into(),
            dial_timeout: Duration::from_secs(5),
            transaction_timeout: Duration::from_secs(5),
            ca_file: None,
        }
    }
}

impl EtcdGroupOptions {
    /// What the keys `pitaya.groups.etcd.…` of a configuration say; the user is that of the discovery.
    #[must_use]
    pub fn from_config(config: &Config) -> Self {
        Self {
            endpoints: config.groups_etcd_endpoints.clone(),
            user: config.etcd_user.clone(),
            pass: config.etcd_pass.clone(),
            prefix: config.groups_etcd_prefix.clone(),
            dial_timeout: config.groups_etcd_dial_timeout,
            transaction_timeout: config.groups_etcd_transaction_timeout,
            ca_file: config.groups_etcd_tls_ca_file.clone(),
        }
    }
}

impl fmt::Debug for EtcdGroupOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = self.ca_file.is_some();
        let endpoints: Vec<_> = self.endpoints.iter().map(|it| shown(&full_url(it, tls))).collect();
        f.debug_struct("EtcdGroupOptions")
            .field("endpoints", &endpoints)
            .field("user", &self.user)
            .field("pass", &if self.pass.is_empty() { "" } else { "***" })
            .field("prefix", &self.prefix)
            .field("dial_timeout", &self.dial_timeout)
            .field("transaction_timeout", &self.transaction_timeout)
            .field("ca_file", &self.ca_file)
            .finish()
    }
}

/// A store of groups in etcd, for [`Builder::group_store`](crate::app::Builder::group_store). Needs the feature `etcd`.
///
/// Each operation is one transaction, so that servers never see each other's half-done ones. It connects with the first
/// operation. An operation that etcd did not carry out is sent again, to the next endpoint, within the time of the
/// operation. A write without an answer fails and may have been carried out. An etcd that is away makes operations fail,
/// and nothing else. A token that etcd refuses is renewed.
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

/// How often an operation looks again because the group was changed after it had looked.
const LOOKS: u32 = 8;

/// The longest time that is reckoned with: longer ones overflow when they are added up.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

type Stored<T> = Result<T, GroupError>;

impl EtcdStore {
    /// A store that is not connected yet.
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

    /// Until when an operation that begins now may take.
    fn until(&self) -> Instant {
        Instant::now() + self.options.transaction_timeout.min(LONGEST)
    }

    /// A transaction that changes something.
    async fn txn(&self, until: Instant, txn: Txn) -> Stored<TxnResponse> {
        self.etcd.write(until, |connection| link_txn(connection, txn.clone())).await.map_err(failed)
    }

    /// A transaction on a group that has to be there, which may be carried out twice.
    async fn on_group(&self, group: &str, then: impl Into<Vec<TxnOp>>) -> Stored<Vec<TxnOpResponse>> {
        let txn = Txn::new().when([is_there(self.group(group))]).and_then(then);
        let done = self
            .etcd
            .read(self.until(), |connection| link_txn(connection, txn.clone()))
            .await
            .map_err(failed)?;
        if done.succeeded() { Ok(done.op_responses()) } else { Err(GroupError::NotFound) }
    }

    /// The lease of a group that has to be there; 0 is none.
    async fn lease(&self, until: Instant, group: &str) -> Stored<i64> {
        let key = self.group(group);
        let get = |connection: Connection| {
            let key = key.clone();
            async move { connection.kv().get(key, None).await }
        };
        let got = self.etcd.read(until, get).await.map_err(failed)?;
        Ok(got.kvs().first().ok_or(GroupError::NotFound)?.lease())
    }

    /// Gives a lease back. If this fails, it runs out by itself.
    async fn revoke(&self, until: Instant, lease: i64) {
        let revoked = self
            .etcd
            .read(until, |connection: Connection| async move { connection.leases().revoke(lease).await })
            .await;
        if let Err(failure) = revoked
            && !matches!(&failure, Failure::Answered(error, _) if code(error) == Some(status::NOT_FOUND))
        {
            tracing::debug!(error = %failed(failure), lease, "the lease of a group could not be revoked");
        }
    }
}

async fn link_txn(connection: Connection, txn: Txn) -> Result<TxnResponse, EtcdError> {
    connection.kv().txn(txn).await
}

fn failed(failure: Failure) -> GroupError {
    let (Failure::Answered(_, fault) | Failure::Lost(fault)) = failure;
    GroupError::Store(fault.text.into())
}

/// The group was changed again and again while an operation looked at it.
fn unsettled() -> GroupError {
    GroupError::Store(format!("a group was changed {LOOKS} times during one operation").into())
}

fn is_there(key: String) -> Compare {
    Compare::create_revision(key, CompareOp::Greater, 0)
}

fn is_not_there(key: String) -> Compare {
    Compare::create_revision(key, CompareOp::Equal, 0)
}

/// What a transaction read.
fn read(responses: &[TxnOpResponse]) -> Option<&GetResponse> {
    responses.iter().find_map(|response| match response {
        TxnOpResponse::Get(got) => Some(got),
        _ => None,
    })
}

/// How many keys each of two reads of a transaction found.
fn two(responses: &[TxnOpResponse]) -> (i64, i64) {
    let mut found = responses.iter().map(|response| match response {
        TxnOpResponse::Get(got) => got.count(),
        _ => 0,
    });
    (found.next().unwrap_or(0), found.next().unwrap_or(0))
}

/// How many keys a transaction counted.
fn counted(responses: &[TxnOpResponse]) -> usize {
    read(responses).map_or(0, |got| usize::try_from(got.count()).unwrap_or(0))
}

impl GroupStore for EtcdStore {
    fn create<'a>(&'a self, group: &'a str, ttl: Option<Duration>) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let until = self.until();
            let lease = match ttl {
                None => 0,
                Some(ttl) => {
                    // Whole seconds, and never none: etcd has its own least time besides.
                    let seconds = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX).max(1);
                    let grant = |connection: Connection| async move {
                        connection.leases().grant(seconds, None).await
                    };
                    self.etcd.write(until, grant).await.map_err(failed)?.id()
                }
            };
            let key = self.group(group);
            let put = TxnOp::put(key.clone(), "", Some(PutOptions::new().with_lease(lease)));
            let done = self.txn(until, Txn::new().when([is_not_there(key)]).and_then([put])).await;
            if done.as_ref().is_ok_and(TxnResponse::succeeded) {
                return Ok(());
            }
            if lease != 0 {
                // If the group was made all the same, it goes with its lease.
                self.revoke(self.until(), lease).await;
            }
            done.and(Err(GroupError::Exists))
        })
    }

    fn members<'a>(&'a self, group: &'a str) -> StoreFuture<'a, Members> {
        Box::pin(async move {
            let (prefix, group) = (self.members_prefix(group), self.group(group));
            let read = |connection: Connection| {
                let (prefix, when) = (prefix.clone(), [is_there(group.clone())]);
                async move { Pages::read(&connection, &prefix, true, &when).await }
            };
            let read = self.etcd.read(self.until(), read).await.map_err(failed)?;
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
            Ok(counted(&self.on_group(group, [count]).await?) > 0)
        })
    }

    fn add<'a>(&'a self, group: &'a str, uid: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let until = self.until();
            let (name, group, member) = (group, self.group(group), self.member(group, uid));
            for _ in 0..LOOKS {
                let lease = self.lease(until, name).await?;
                let options = PutOptions::new().with_lease(lease);
                let txn = Txn::new()
                    .when([
                        is_there(group.clone()),
                        // The group may have been deleted and made anew since.
                        Compare::lease(group.clone(), CompareOp::Equal, lease),
                        is_not_there(member.clone()),
                    ])
                    .and_then([TxnOp::put(member.clone(), "", Some(options))])
                    .or_else([TxnOp::get(group.clone(), None), TxnOp::get(member.clone(), None)]);
                let sent = self.etcd.write(until, |connection| link_txn(connection, txn.clone())).await;
                let done = match sent {
                    Ok(done) => done,
                    // The lease ran out in between, and the group with it.
                    Err(Failure::Answered(error, _)) if code(&error) == Some(status::NOT_FOUND) => continue,
                    Err(failure) => return Err(failed(failure)),
                };
                if done.succeeded() {
                    return Ok(());
                }
                let (groups, members) = two(&done.op_responses());
                if groups == 0 {
                    return Err(GroupError::NotFound);
                }
                if members > 0 {
                    return Err(GroupError::MemberExists);
                }
            }
            Err(unsettled())
        })
    }

    fn remove<'a>(&'a self, group: &'a str, uid: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let member = self.member(group, uid);
            let count = TxnOp::get(self.group(group), Some(GetOptions::new().with_count_only()));
            let txn = Txn::new()
                .when([is_there(member.clone())])
                .and_then([TxnOp::delete(member, None)])
                .or_else([count]);
            let done = self.txn(self.until(), txn).await?;
            if done.succeeded() {
                return Ok(());
            }
            let group_is_there = counted(&done.op_responses()) > 0;
            Err(if group_is_there { GroupError::MemberNotFound } else { GroupError::NotFound })
        })
    }

    fn join<'a>(&'a self, group: &'a str, uid: &'a str, owner: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let until = self.until();
            let (name, group, member) = (group, self.group(group), self.member(group, uid));
            for _ in 0..LOOKS {
                let lease = self.lease(until, name).await?;
                // The group may have been deleted and made anew since.
                let group_is_same =
                    || [is_there(group.clone()), Compare::lease(group.clone(), CompareOp::Equal, lease)];
                let put = || TxnOp::put(member.clone(), owner, Some(PutOptions::new().with_lease(lease)));
                // A new member; else one whose owner is lesser; else look who owns it, or whether the group is there.
                let mut is_lesser = group_is_same().to_vec();
                is_lesser.push(is_there(member.clone()));
                is_lesser.push(Compare::value(member.clone(), CompareOp::Less, owner));
                let lesser = Txn::new()
                    .when(is_lesser)
                    .and_then([put()])
                    .or_else([TxnOp::get(group.clone(), None), TxnOp::get(member.clone(), None)]);
                let mut is_new = group_is_same().to_vec();
                is_new.push(is_not_there(member.clone()));
                let txn = Txn::new().when(is_new).and_then([put()]).or_else([TxnOp::txn(lesser)]);
                // It may be carried out twice: the owner is the same.
                let sent = self.etcd.read(until, |connection| link_txn(connection, txn.clone())).await;
                let done = match sent {
                    Ok(done) => done,
                    // The lease ran out in between, and the group with it.
                    Err(Failure::Answered(error, _)) if code(&error) == Some(status::NOT_FOUND) => continue,
                    Err(failure) => return Err(failed(failure)),
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
            Err(unsettled())
        })
    }

    fn leave<'a>(&'a self, group: &'a str, uid: &'a str, owner: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let member = self.member(group, uid);
            let own = Compare::value(member.clone(), CompareOp::Equal, owner);
            let txn = Txn::new().when([own]).and_then([TxnOp::delete(member, None)]);
            Ok(self.txn(self.until(), txn).await?.succeeded())
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
            Ok(counted(&self.on_group(group, [count]).await?))
        })
    }

    fn renew_ttl<'a>(&'a self, group: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let until = self.until();
            let mut gone = None;
            for _ in 0..LOOKS {
                let lease = self.lease(until, group).await?;
                if lease == 0 {
                    return Err(GroupError::NoTtl);
                }
                // The keys go a moment after their lease.
                if gone == Some(lease) {
                    return Err(GroupError::NotFound);
                }
                let keep = |connection: Connection| async move { connection.keep_alive(lease).await };
                match self.etcd.read(until, keep).await {
                    Ok(()) => return Ok(()),
                    // The time was over between the two, or the group was made anew with another lease.
                    Err(Failure::Answered(EtcdError::LeaseKeepAliveError(_), _)) => gone = Some(lease),
                    Err(failure) => return Err(failed(failure)),
                }
            }
            Err(unsettled())
        })
    }

    fn delete<'a>(&'a self, group: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let until = self.until();
            let (members, group) = (self.members_prefix(group), self.group(group));
            let members = TxnOp::delete(members, Some(DeleteOptions::new().with_prefix()));
            let own = TxnOp::delete(group.clone(), Some(DeleteOptions::new().with_prev_key()));
            let done = self.txn(until, Txn::new().when([is_there(group)]).and_then([members, own])).await?;
            if !done.succeeded() {
                return Err(GroupError::NotFound);
            }
            let leases = done.op_responses().into_iter().flat_map(|response| match response {
                TxnOpResponse::Delete(deleted) => deleted.prev_kvs().iter().map(KeyValue::lease).collect(),
                _ => Vec::new(),
            });
            for lease in leases.filter(|lease| *lease != 0) {
                self.revoke(until, lease).await;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The options of a group store take over the configuration.
    #[test]
    fn password_is_never_printed() {
        let mut config = Config::default();
        config.etcd_user = "bob".into();
        config.etcd_pass = "hunter2".into();
        config.groups_etcd_endpoints = vec!["http://bob:hunter2@c:3".into()];
        let options = EtcdGroupOptions::from_config(&config);
        let printed = format!("{options:?}");
        assert!(printed.contains("bob") && !printed.contains("hunter2"), "{printed}");
        let plain = EtcdGroupOptions::from_config(&Config::default());
        assert_eq!(plain, EtcdGroupOptions::default());
    }
}
