//! Bindings in etcd, shared with Go Pitaya (`docs/cluster.md`, "Binding storage").

mod options;

pub use options::EtcdBindingOptions;

use std::time::Duration;

use etcd_client::{Compare, CompareOp, Error as EtcdError, PutOptions, Txn, TxnOp};
use tokio::time::Instant;

use super::{BindingError, BindingFuture, BindingStorage, Kept, Put};
use crate::cluster::{Server, key};
use crate::etcd::{Connection, Failure, Fault, ReconnectingClient, code, deadline, status, ttl_seconds};
use crate::util::sync::Mutex;

/// Stores bindings in etcd, for [`Builder::binding_storage`](crate::app::Builder::binding_storage). Needs the feature
/// `etcd`.
///
/// The key `<prefix>bindings/<frontend type>/<uid>` has the id of the frontend, as Go Pitaya reads and writes it. All
/// bindings of a frontend have one lease. A lost lease is replaced, and all bindings are put again. A stop revokes the
/// lease. The bindings of a killed frontend stay until the lease expires
/// ([`lease_ttl`](EtcdBindingOptions::lease_ttl)).
///
/// ```no_run
/// use pitaya::binding::{EtcdBindingOptions, EtcdBindingStorage};
/// use pitaya::prelude::*;
///
/// let storage = EtcdBindingStorage::new(EtcdBindingOptions::default());
/// let app = App::builder().binding_storage(storage);
/// ```
#[derive(Debug)]
pub struct EtcdBindingStorage {
    options: EtcdBindingOptions,
    etcd: ReconnectingClient,
    lease: Mutex<Option<i64>>,
}

/// The longest interval between two keepalives. A lease that was lost, with the data of etcd, is noticed by then.
const KEEP: Duration = Duration::from_secs(10);

impl EtcdBindingStorage {
    /// Makes a storage that is not connected yet.
    #[must_use]
    pub fn new(options: EtcdBindingOptions) -> Self {
        let etcd = ReconnectingClient::new(options.access());
        Self { options, etcd, lease: Mutex::default() }
    }

    fn key(&self, frontend_type: &str, uid: &str) -> Result<String, BindingError> {
        let key = key::binding(frontend_type, uid).map_err(|error| BindingError::Refused(error.into()))?;
        Ok(format!("{}{key}", self.options.prefix))
    }

    fn deadline(&self) -> Instant {
        deadline(self.options.transaction_timeout)
    }

    /// Drops a lease that etcd does not have any more.
    fn drop_lease(&self, lease: i64) {
        let mut current = self.lease.lock();
        if *current == Some(lease) {
            *current = None;
        }
    }

    async fn grant(&self) -> Result<Kept, BindingError> {
        let seconds = ttl_seconds(self.options.lease_ttl);
        let grant = |connection: Connection| async move { connection.leases().grant(seconds, None).await };
        let lease = self.etcd.write(self.deadline(), grant).await.map_err(keep_error)?;
        *self.lease.lock() = Some(lease.id());
        Ok(Kept::Nothing)
    }
}

/// Returns the error of a request about one user. It is never final, because etcd may allow later a request that it
/// refuses now: a password is changed in etcd and on the servers one after the other.
fn unavailable(failure: Failure) -> BindingError {
    let (Failure::Answered(_, fault) | Failure::Lost(fault)) = failure;
    BindingError::Unavailable(fault.text.into())
}

/// Returns the error of a request about the lease.
fn keep_error(failure: Failure) -> BindingError {
    let (Failure::Answered(_, Fault { text, refused }) | Failure::Lost(Fault { text, refused })) = failure;
    if refused { BindingError::Refused(text.into()) } else { BindingError::Unavailable(text.into()) }
}

impl BindingStorage for EtcdBindingStorage {
    fn find<'a>(&'a self, frontend_type: &'a str, uid: &'a str) -> BindingFuture<'a, Option<String>> {
        Box::pin(async move {
            let key = self.key(frontend_type, uid)?;
            let get = |connection: Connection| {
                let key = key.clone();
                async move { connection.kv().get(key, None).await }
            };
            let got = self.etcd.read(self.deadline(), get).await.map_err(unavailable)?;
            Ok(got.kvs().first().map(|kv| String::from_utf8_lossy(kv.value()).into_owned()))
        })
    }

    fn put<'a>(&'a self, own: &'a Server, uid: &'a str) -> BindingFuture<'a, Put> {
        Box::pin(async move {
            let key = self.key(&own.server_type, uid)?;
            let lease = *self.lease.lock();
            let lease = lease.ok_or_else(|| BindingError::Unavailable("the lease was lost".into()))?;
            let put = |connection: Connection| {
                let (key, id) = (key.clone(), &*own.id);
                let options = PutOptions::new().with_lease(lease).with_prev_key();
                async move { connection.kv().put(key, id, Some(options)).await }
            };
            match self.etcd.write(self.deadline(), put).await {
                Ok(mut done) => {
                    let previous =
                        done.take_prev_key().map(|kv| String::from_utf8_lossy(kv.value()).into_owned());
                    let revision = done.header().map_or(0, etcd_client::ResponseHeader::revision);
                    Ok(Put { previous, revision })
                }
                Err(Failure::Answered(error, fault)) if code(&error) == Some(status::NOT_FOUND) => {
                    self.drop_lease(lease);
                    Err(BindingError::Unavailable(fault.text.into()))
                }
                Err(failure) => Err(unavailable(failure)),
            }
        })
    }

    fn remove<'a>(&'a self, own: &'a Server, uid: &'a str, revision: Option<i64>) -> BindingFuture<'a, ()> {
        Box::pin(async move {
            let key = self.key(&own.server_type, uid)?;
            let mut is_own = vec![Compare::value(key.clone(), CompareOp::Equal, &*own.id)];
            is_own.extend(
                revision.map(|revision| Compare::mod_revision(key.clone(), CompareOp::Equal, revision)),
            );
            let txn = Txn::new().when(is_own).and_then([TxnOp::delete(key, None)]);
            // It may be carried out twice.
            let send = |connection: Connection| {
                let txn = txn.clone();
                async move { connection.kv().txn(txn).await }
            };
            self.etcd.read(self.deadline(), send).await.map(drop).map_err(unavailable)
        })
    }

    fn keep<'a>(&'a self, _own: &'a Server) -> BindingFuture<'a, Kept> {
        Box::pin(async move {
            let current = *self.lease.lock();
            let Some(lease) = current else { return self.grant().await };
            let keep = |connection: Connection| async move { connection.keep_alive(lease).await };
            match self.etcd.read(self.deadline(), keep).await {
                Ok(()) => Ok(Kept::All),
                Err(Failure::Answered(EtcdError::LeaseKeepAliveError(_), _)) => {
                    self.drop_lease(lease);
                    self.grant().await
                }
                Err(failure) => Err(keep_error(failure)),
            }
        })
    }

    fn keep_interval(&self) -> Duration {
        KEEP.min(self.options.lease_ttl / 3).max(Duration::from_millis(100))
    }

    fn close<'a>(&'a self, _own: &'a Server) -> BindingFuture<'a, ()> {
        Box::pin(async move {
            let Some(lease) = self.lease.lock().take() else { return Ok(()) };
            let revoke = |connection: Connection| async move { connection.leases().revoke(lease).await };
            match self.etcd.read(self.deadline(), revoke).await {
                Ok(_) => Ok(()),
                Err(Failure::Answered(error, _)) if code(&error) == Some(status::NOT_FOUND) => Ok(()),
                Err(failure) => Err(unavailable(failure)),
            }
        })
    }
}
