//! The requests that discovery makes on a connection to etcd.

use std::sync::Arc;
use std::time::Duration;

use etcd_client::{Error as EtcdError, PutOptions, WatchOptions, WatchStream};

use super::EtcdOptions;
use super::machine::{Answer, Fault};
use crate::etcd::{self, LONGEST, Pages, code, status, ttl_seconds};

/// One connection. After a failure another one is made.
#[derive(Clone)]
pub(super) struct Connection {
    etcd: etcd::Connection,
    options: Arc<EtcdOptions>,
}

impl Connection {
    /// Connects, signs in, and checks that etcd answers.
    pub(super) async fn connect(options: Arc<EtcdOptions>, endpoint: usize) -> Result<Self, Fault> {
        let etcd = etcd::Connection::connect(Arc::new(options.access()), endpoint).await?;
        Ok(Self { etcd, options })
    }

    /// Checks that etcd answers.
    pub(super) async fn ready(&self) -> Result<(), Fault> {
        self.etcd.ready().await
    }

    pub(super) async fn grant(&self) -> Answer {
        match self.etcd.leases().grant(ttl_seconds(self.options.heartbeat_ttl), None).await {
            Ok(granted) => {
                let ttl = Duration::from_secs(u64::try_from(granted.ttl()).unwrap_or(0));
                Answer::Granted(granted.id(), ttl.clamp(Duration::from_secs(1), LONGEST))
            }
            Err(error) => self.failed(&error),
        }
    }

    /// Keeps a lease alive once.
    pub(super) async fn keep(&self, lease: i64) -> Answer {
        match self.etcd.keep_alive(lease).await {
            Ok(()) => Answer::Kept,
            Err(EtcdError::LeaseKeepAliveError(_)) => Answer::LeaseGone,
            Err(error) => self.failed(&error),
        }
    }

    pub(super) async fn put(&self, key: String, value: Vec<u8>, lease: i64) -> Answer {
        let options = PutOptions::new().with_lease(lease);
        match self.etcd.kv().put(key, value, Some(options)).await {
            Ok(put) => match put.header() {
                Some(header) => Answer::Put(header.revision()),
                None => Answer::Failed(self.without_revision()),
            },
            Err(error) if code(&error) == Some(status::NOT_FOUND) => Answer::LeaseGone,
            Err(error) => self.failed(&error),
        }
    }

    /// Returns all entries, and the revision that they are as of.
    pub(super) async fn list(&self) -> Result<Pages, Fault> {
        let read = Pages::read(&self.etcd, &self.options.servers_prefix(), false, &[]).await;
        read.map_err(|error| self.explain(&error))?.ok_or_else(|| self.without_revision())
    }

    pub(super) async fn watch(&self, from: i64) -> Result<WatchStream, Fault> {
        let options = WatchOptions::new().with_prefix().with_start_revision(from);
        let watch = self.etcd.watches().watch(self.options.servers_prefix(), Some(options)).await;
        watch.map_err(|error| self.explain(&error))
    }

    pub(super) async fn revoke(&self, lease: i64) -> Answer {
        match self.etcd.leases().revoke(lease).await {
            Ok(_) => Answer::Revoked,
            Err(error) if code(&error) == Some(status::NOT_FOUND) => Answer::LeaseGone,
            Err(error) => self.failed(&error),
        }
    }

    /// Returns the meaning of an error of etcd.
    pub(super) fn explain(&self, error: &EtcdError) -> Fault {
        self.etcd.explain(error)
    }

    /// Returns the fault of a watch that etcd has ended, with its reason if there is one.
    pub(super) fn ended(&self, reason: &str) -> Fault {
        let at = self.etcd.shown();
        let reason = if reason.is_empty() { "no reason is given" } else { reason };
        Fault { text: format!("etcd at {at} has ended the watch: {reason}"), refused: false }
    }

    /// Returns the fault of an answer without a revision.
    pub(super) fn without_revision(&self) -> Fault {
        let at = self.etcd.shown();
        Fault { text: format!("etcd at {at} gave an answer without a revision; is it etcd?"), refused: false }
    }

    fn failed(&self, error: &EtcdError) -> Answer {
        Answer::Failed(self.explain(error))
    }
}
