//! Groups in etcd: shared by all servers of a cluster, those of the original among them (`docs/cluster.md`, "Groups").

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::{
    Client, Compare, CompareOp, ConnectOptions, DeleteOptions, GetOptions, GetResponse, PutOptions, Txn,
    TxnOp, TxnOpResponse, TxnResponse,
};
use tokio::sync::OnceCell;

use super::{GroupError, GroupStore, Members, StoreFuture, key};
use crate::config::Config;
use crate::redact;

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
    /// Addresses of etcd: `host:port`, with `http://` before it if one likes.
    pub endpoints: Vec<String>,
    /// The user; sent only if the password is not empty either.
    pub user: String,
    /// The user's password. It is in no log, no error and no `Debug`.
    pub pass: String,
    /// What every key begins with; a slash at its end is a part of it.
    pub prefix: String,
    /// The longest that a connection may take.
    pub dial_timeout: Duration,
    /// The longest that one operation may take.
    pub transaction_timeout: Duration,
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
        }
    }
}

impl fmt::Debug for EtcdGroupOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoints: Vec<_> = self.endpoints.iter().map(|it| redact::address(it)).collect();
        f.debug_struct("EtcdGroupOptions")
            .field("endpoints", &endpoints)
            .field("user", &self.user)
            .field("pass", &if self.pass.is_empty() { "" } else { "***" })
            .field("prefix", &self.prefix)
            .field("dial_timeout", &self.dial_timeout)
            .field("transaction_timeout", &self.transaction_timeout)
            .finish()
    }
}

/// A store of groups in etcd, for [`Builder::group_store`](crate::app::Builder::group_store). Needs the feature `etcd`.
///
/// Each operation is one transaction, so that servers never see each other's half-done ones. It connects with the first
/// operation; an etcd that is away makes operations fail, and nothing else.
///
/// ```no_run
/// use pitaya::group::{EtcdGroupOptions, EtcdStore};
/// use pitaya::prelude::*;
///
/// let app = App::builder().group_store(EtcdStore::new(EtcdGroupOptions::default()));
/// ```
#[derive(Debug)]
pub struct EtcdStore {
    options: Arc<EtcdGroupOptions>,
    client: OnceCell<Kept>,
}

/// A client, which has no `Debug` that is worth reading.
struct Kept(Client);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

type Stored<T> = Result<T, GroupError>;

impl EtcdStore {
    /// A store that is not connected yet.
    #[must_use]
    pub fn new(options: EtcdGroupOptions) -> Self {
        Self { options: Arc::new(options), client: OnceCell::new() }
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

    async fn client(&self) -> Stored<Client> {
        let connect = || async {
            let EtcdGroupOptions { endpoints, user, pass, dial_timeout, .. } = &*self.options;
            let mut options = ConnectOptions::new().with_connect_timeout(*dial_timeout);
            if !user.is_empty() && !pass.is_empty() {
                options = options.with_user(user, pass);
            }
            Client::connect(endpoints, Some(options)).await.map(Kept).map_err(failed)
        };
        self.client.get_or_try_init(connect).await.map(|kept| kept.0.clone())
    }

    /// Runs an operation within its time.
    fn within<'a, T: Send + 'a>(
        &'a self,
        work: impl Future<Output = Stored<T>> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        let limit = self.options.transaction_timeout;
        Box::pin(async move {
            tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
                Err(GroupError::Store(
                    format!("etcd did not answer an operation of groups within {limit:?}").into(),
                ))
            })
        })
    }

    async fn txn(&self, txn: Txn) -> Stored<TxnResponse> {
        self.client().await?.kv_client().txn(txn).await.map_err(failed)
    }

    /// A transaction on a group that has to be there.
    async fn on_group(&self, group: &str, then: impl Into<Vec<TxnOp>>) -> Stored<Vec<TxnOpResponse>> {
        let done = self.txn(Txn::new().when([is_there(self.group(group))]).and_then(then)).await?;
        if done.succeeded() { Ok(done.op_responses()) } else { Err(GroupError::NotFound) }
    }

    /// The key of a group that has to be there, and its lease.
    async fn group_key_and_lease(&self, group: &str) -> Stored<(String, i64)> {
        Ok((self.group(group), self.lease(group).await?))
    }

    /// The lease of a group that has to be there; 0 is none.
    async fn lease(&self, group: &str) -> Stored<i64> {
        let got = self.client().await?.kv_client().get(self.group(group), None).await.map_err(failed)?;
        Ok(got.kvs().first().ok_or(GroupError::NotFound)?.lease())
    }
}

fn failed(error: etcd_client::Error) -> GroupError {
    GroupError::Store(error.into())
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

/// How many keys a transaction counted.
fn counted(responses: &[TxnOpResponse]) -> usize {
    read(responses).map_or(0, |got| usize::try_from(got.count()).unwrap_or(0))
}

impl GroupStore for EtcdStore {
    fn create<'a>(&'a self, group: &'a str, ttl: Option<Duration>) -> StoreFuture<'a, ()> {
        self.within(async move {
            let mut leases = self.client().await?.lease_client();
            let lease = match ttl {
                None => 0,
                Some(ttl) => {
                    // Whole seconds, and never none: etcd has its own least time besides.
                    let seconds = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX).max(1);
                    leases.grant(seconds, None).await.map_err(failed)?.id()
                }
            };
            let key = self.group(group);
            let put = TxnOp::put(key.clone(), "", Some(PutOptions::new().with_lease(lease)));
            let done = self.txn(Txn::new().when([is_not_there(key)]).and_then([put])).await;
            if done.as_ref().is_ok_and(TxnResponse::succeeded) {
                return Ok(());
            }
            if lease != 0 {
                // Nothing hangs on it. If this fails, it runs out by itself.
                let _ = leases.revoke(lease).await;
            }
            done.and(Err(GroupError::Exists))
        })
    }

    fn members<'a>(&'a self, group: &'a str) -> StoreFuture<'a, Members> {
        self.within(async move {
            let prefix = self.members_prefix(group);
            let options = GetOptions::new().with_prefix().with_keys_only();
            let done = self.on_group(group, [TxnOp::get(prefix.clone(), Some(options))]).await?;
            let uid = |key: &[u8]| {
                key.strip_prefix(prefix.as_bytes()).map(|uid| String::from_utf8_lossy(uid).into())
            };
            Ok(read(&done).map_or(&[][..], |got| got.kvs()).iter().filter_map(|kv| uid(kv.key())).collect())
        })
    }

    fn contains<'a>(&'a self, group: &'a str, uid: &'a str) -> StoreFuture<'a, bool> {
        self.within(async move {
            let count = TxnOp::get(self.member(group, uid), Some(GetOptions::new().with_count_only()));
            Ok(counted(&self.on_group(group, [count]).await?) > 0)
        })
    }

    fn add<'a>(&'a self, group: &'a str, uid: &'a str) -> StoreFuture<'a, ()> {
        self.within(async move {
            let options = PutOptions::new().with_lease(self.lease(group).await?);
            let (group, member) = (self.group(group), self.member(group, uid));
            let done = self
                .txn(
                    Txn::new()
                        .when([is_there(group.clone()), is_not_there(member.clone())])
                        .and_then([TxnOp::put(member, "", Some(options))])
                        .or_else([TxnOp::get(group, Some(GetOptions::new().with_count_only()))]),
                )
                .await?;
            if done.succeeded() {
                return Ok(());
            }
            // The group may have gone since it was looked at.
            let group_is_there = counted(&done.op_responses()) > 0;
            Err(if group_is_there { GroupError::MemberExists } else { GroupError::NotFound })
        })
    }

    fn remove<'a>(&'a self, group: &'a str, uid: &'a str) -> StoreFuture<'a, ()> {
        self.within(async move {
            let member = self.member(group, uid);
            let count = TxnOp::get(self.group(group), Some(GetOptions::new().with_count_only()));
            let done = self
                .txn(
                    Txn::new()
                        .when([is_there(member.clone())])
                        .and_then([TxnOp::delete(member, None)])
                        .or_else([count]),
                )
                .await?;
            if done.succeeded() {
                return Ok(());
            }
            let group_is_there = counted(&done.op_responses()) > 0;
            Err(if group_is_there { GroupError::MemberNotFound } else { GroupError::NotFound })
        })
    }

    fn join<'a>(&'a self, group: &'a str, uid: &'a str, owner: &'a str) -> StoreFuture<'a, bool> {
        self.within(async move {
            let (group, member) = (self.group_key_and_lease(group).await?, self.member(group, uid));
            let (group, lease) = group;
            let put = || TxnOp::put(member.clone(), owner, Some(PutOptions::new().with_lease(lease)));
            // A new member; else one whose owner is lesser; else look who owns it, or whether the group is there.
            let look = [
                TxnOp::get(group.clone(), Some(GetOptions::new().with_count_only())),
                TxnOp::get(member.clone(), None),
            ];
            let lesser = Txn::new()
                .when([is_there(member.clone()), Compare::value(member.clone(), CompareOp::Less, owner)])
                .and_then([put()])
                .or_else(look);
            let txn = Txn::new()
                .when([is_there(group.clone()), is_not_there(member.clone())])
                .and_then([put()])
                .or_else([TxnOp::txn(lesser)]);
            let done = self.txn(txn).await?;
            if done.succeeded() {
                return Ok(true);
            }
            let responses = done.op_responses();
            let Some(TxnOpResponse::Txn(inner)) = responses.first() else { return Err(GroupError::NotFound) };
            if inner.succeeded() {
                return Ok(true);
            }
            let looked = inner.op_responses();
            if counted(&looked) == 0 {
                return Err(GroupError::NotFound);
            }
            let owned = looked.iter().skip(1).find_map(|response| match response {
                TxnOpResponse::Get(got) => got.kvs().first().map(|kv| kv.value() == owner.as_bytes()),
                _ => None,
            });
            Ok(owned.unwrap_or(false))
        })
    }

    fn leave<'a>(&'a self, group: &'a str, uid: &'a str, owner: &'a str) -> StoreFuture<'a, bool> {
        self.within(async move {
            let member = self.member(group, uid);
            let own = Compare::value(member.clone(), CompareOp::Equal, owner);
            let done = self.txn(Txn::new().when([own]).and_then([TxnOp::delete(member, None)])).await?;
            Ok(done.succeeded())
        })
    }

    fn remove_all<'a>(&'a self, group: &'a str) -> StoreFuture<'a, ()> {
        self.within(async move {
            let all = TxnOp::delete(self.members_prefix(group), Some(DeleteOptions::new().with_prefix()));
            self.on_group(group, [all]).await.map(drop)
        })
    }

    fn count<'a>(&'a self, group: &'a str) -> StoreFuture<'a, usize> {
        self.within(async move {
            let options = GetOptions::new().with_prefix().with_count_only();
            let count = TxnOp::get(self.members_prefix(group), Some(options));
            Ok(counted(&self.on_group(group, [count]).await?))
        })
    }

    fn renew_ttl<'a>(&'a self, group: &'a str) -> StoreFuture<'a, ()> {
        self.within(async move {
            let lease = self.lease(group).await?;
            if lease == 0 {
                return Err(GroupError::NoTtl);
            }
            match self.client().await?.lease_client().keep_alive(lease).await {
                Ok(_) => Ok(()),
                // The time was over between the two.
                Err(etcd_client::Error::LeaseKeepAliveError(_)) => Err(GroupError::NotFound),
                Err(error) => Err(failed(error)),
            }
        })
    }

    fn delete<'a>(&'a self, group: &'a str) -> StoreFuture<'a, ()> {
        self.within(async move {
            let members = TxnOp::delete(self.members_prefix(group), Some(DeleteOptions::new().with_prefix()));
            self.on_group(group, [members, TxnOp::delete(self.group(group), None)]).await.map(drop)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_printed_and_a_configuration_is_taken_over() {
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
