//! A storage that fails on request.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use super::{BindingError, BindingFuture, BindingStorage, Kept, MemoryBindingStorage, Put};
use crate::cluster::Server;
use crate::util::sync::Mutex;

/// How a storage answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Mode {
    #[default]
    Up,
    /// Fails immediately.
    Down,
    /// Never answers; its own limit is a minute.
    Silent,
    Refusing,
    /// Panics.
    Broken,
}

/// A storage in memory that can be unavailable, slow, or emptied.
#[derive(Debug, Default)]
pub(super) struct Moody {
    stored: Mutex<MemoryBindingStorage>,
    mode: Mutex<Mode>,
    delay: Mutex<Duration>,
    lost: Mutex<bool>,
    calls: AtomicUsize,
    running: AtomicUsize,
    most: AtomicUsize,
}

impl Moody {
    pub(super) fn set(&self, mode: Mode) {
        *self.mode.lock() = mode;
    }

    pub(super) fn set_delay(&self, delay: Duration) {
        *self.delay.lock() = delay;
    }

    /// Loses all bindings.
    pub(super) fn lose(&self) {
        *self.stored.lock() = MemoryBindingStorage::new();
        *self.lost.lock() = true;
    }

    /// Returns the frontend of a user, in every mode.
    pub(super) async fn stored(&self, uid: &str) -> Option<String> {
        let stored = self.stored.lock().clone();
        stored.find("connector", uid).await.unwrap()
    }

    /// Returns the number of requests so far.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }

    /// Returns the most requests that ran at a time.
    pub(super) fn most(&self) -> usize {
        self.most.load(SeqCst)
    }

    /// Returns the number of requests that neither ended nor panicked: those that run, and those that were cancelled.
    pub(super) fn running(&self) -> usize {
        self.running.load(SeqCst)
    }

    async fn enter(&self) -> Result<MemoryBindingStorage, BindingError> {
        self.calls.fetch_add(1, SeqCst);
        self.most.fetch_max(self.running.fetch_add(1, SeqCst) + 1, SeqCst);
        let (mode, delay) = (*self.mode.lock(), *self.delay.lock());
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if mode == Mode::Silent {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        self.running.fetch_sub(1, SeqCst);
        match mode {
            Mode::Up => Ok(self.stored.lock().clone()),
            Mode::Down | Mode::Silent => Err(BindingError::Unavailable("away".into())),
            Mode::Refusing => Err(BindingError::Refused("no".into())),
            Mode::Broken => panic!("a storage with a fault"),
        }
    }
}

impl BindingStorage for Moody {
    fn find<'a>(&'a self, frontend_type: &'a str, uid: &'a str) -> BindingFuture<'a, Option<String>> {
        Box::pin(async move { self.enter().await?.find(frontend_type, uid).await })
    }

    fn put<'a>(&'a self, own: &'a Server, uid: &'a str) -> BindingFuture<'a, Put> {
        Box::pin(async move { self.enter().await?.put(own, uid).await })
    }

    fn remove<'a>(&'a self, own: &'a Server, uid: &'a str, revision: Option<i64>) -> BindingFuture<'a, ()> {
        Box::pin(async move { self.enter().await?.remove(own, uid, revision).await })
    }

    fn keep<'a>(&'a self, own: &'a Server) -> BindingFuture<'a, Kept> {
        Box::pin(async move {
            self.enter().await?.keep(own).await?;
            let lost = std::mem::take(&mut *self.lost.lock());
            Ok(if lost { Kept::Nothing } else { Kept::All })
        })
    }

    fn close<'a>(&'a self, own: &'a Server) -> BindingFuture<'a, ()> {
        Box::pin(async move { self.enter().await?.close(own).await })
    }
}
