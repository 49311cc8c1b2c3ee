//! Typed reliable calls: generated clients whose calls become jobs.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::Rpc;
use crate::error::{Error, Result, code};
use crate::route::Route;
use crate::serialize::Message;
use crate::worker::{JobId, Reliable, Retry};

/// Enqueues jobs: the mode of a generated client after `reliable()`, as in `ShopApiClient<ReliableRpc>`.
///
/// See [`worker`](crate::worker). A fake client has no Redis, so its stand-in answers the call before the call returns.
#[derive(Debug, Clone)]
pub struct ReliableRpc {
    /// The client that this one was made from, which calls a stand-in if there is no Redis.
    rpc: Rpc,
    reliable: Option<Reliable>,
}

impl ReliableRpc {
    pub(super) fn new(rpc: &Rpc, reliable: Option<Reliable>) -> Self {
        Self { rpc: rpc.clone(), reliable }
    }

    /// Runs jobs no earlier than at this time.
    #[must_use]
    pub fn at(&self, time: SystemTime) -> Self {
        self.with(|reliable| reliable.at(time))
    }

    /// Runs jobs no earlier than after this time.
    #[must_use]
    pub fn after(&self, delay: Duration) -> Self {
        self.with(|reliable| reliable.after(delay))
    }

    /// Gives jobs an idempotency key.
    #[must_use]
    pub fn once(&self, key: &str) -> Self {
        self.with(|reliable| reliable.once(key))
    }

    /// Limits the time of each run.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        self.with(|reliable| reliable.with_timeout(timeout))
    }

    /// Makes jobs dead that have not succeeded by this time.
    #[must_use]
    pub fn with_deadline(&self, time: SystemTime) -> Self {
        self.with(|reliable| reliable.with_deadline(time))
    }

    /// Sets the retries.
    #[must_use]
    pub fn with_retry(&self, retry: Retry) -> Self {
        self.with(|reliable| reliable.with_retry(retry))
    }

    /// Adds metadata.
    #[must_use]
    pub fn with_metadata(&self, name: &str, value: impl Into<Value>) -> Self {
        self.with(|reliable| reliable.with_metadata(name, value))
    }

    fn with(&self, set: impl FnOnce(&Reliable) -> Reliable) -> Self {
        Self { rpc: self.rpc.clone(), reliable: self.reliable.as_ref().map(set) }
    }

    /// Enqueues a call. Returns when Redis has the job.
    ///
    /// # Errors
    /// As [`Reliable::call`]. Also `PIT-400` if `to_server` or `by_key` chose a server before.
    ///
    /// # Cancel safety
    /// As [`Reliable::call`].
    pub async fn call<Req: Message, Rep: Message>(
        &self,
        route: &Route<Req, Rep>,
        request: &Req,
    ) -> Result<JobId> {
        if self.rpc.chooses_server() {
            let text = "a job cannot go to the server of `to_server` or `by_key`: choose it by `with_metadata` and \
                        `Worker::server_of`";
            return Err(Error::new(code::BAD_REQUEST, text).with_metadata("route", route.path()));
        }
        match &self.reliable {
            Some(reliable) => reliable.call(route, request).await,
            None => self.rpc.call(route, request).await.map(|_| JobId::random()),
        }
    }
}

/// Writes the reliable half of a generated client. Expands to nothing without the feature `worker`.
#[doc(hidden)]
#[macro_export]
macro_rules! __reliable_client {
    ($client:ident { $($jobs:tt)* }) => {
        #[automatically_derived]
        #[allow(dead_code, unreachable_pub, clippy::all, clippy::pedantic)]
        impl $client {
            /// Returns the client whose calls become jobs: each returns the id of its job, and no reply.
            ///
            /// The timeout of the client limits each run of a job. Its context does not travel with jobs, and a job
            /// cannot go to the server of `to_server` or `by_key`.
            #[must_use]
            pub fn reliable(&self) -> $client<$crate::__private::ReliableRpc> {
                $client { rpc: $crate::__private::reliable_rpc(&self.rpc) }
            }
        }

        #[automatically_derived]
        #[allow(
            dead_code, deprecated, private_interfaces, unreachable_pub, unused_imports, clippy::all, clippy::pedantic
        )]
        impl $client<$crate::__private::ReliableRpc> {
            $($jobs)*
            /// Returns the client whose jobs run no earlier than at this time.
            #[must_use]
            pub fn at(&self, time: ::std::time::SystemTime) -> Self {
                Self { rpc: self.rpc.at(time) }
            }
            /// Returns the client whose jobs run no earlier than after this time.
            #[must_use]
            pub fn after(&self, delay: ::core::time::Duration) -> Self {
                Self { rpc: self.rpc.after(delay) }
            }
            /// Returns the client whose jobs have this idempotency key: within 24 hours, one job with the key succeeds.
            #[must_use]
            pub fn once(&self, key: &str) -> Self {
                Self { rpc: self.rpc.once(key) }
            }
            /// Returns the client with this limit for each run of a job.
            #[must_use]
            pub fn with_timeout(&self, timeout: ::core::time::Duration) -> Self {
                Self { rpc: self.rpc.with_timeout(timeout) }
            }
            /// Returns the client whose jobs are dead if none of their runs has succeeded by this time.
            #[must_use]
            pub fn with_deadline(&self, time: ::std::time::SystemTime) -> Self {
                Self { rpc: self.rpc.with_deadline(time) }
            }
            /// Returns the client with these retries for its jobs.
            #[must_use]
            pub fn with_retry(&self, retry: $crate::worker::Retry) -> Self {
                Self { rpc: self.rpc.with_retry(retry) }
            }
            /// Returns the client with this metadata for its jobs, by which a worker may choose a server.
            #[must_use]
            pub fn with_metadata(
                &self,
                name: &str,
                value: impl ::core::convert::Into<$crate::__private::JsonValue>,
            ) -> Self {
                Self { rpc: self.rpc.with_metadata(name, value) }
            }
        }
    };
}
