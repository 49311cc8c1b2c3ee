//! Bindings in etcd: `keep`, `put` and `find` are the operation.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

use pitaya::binding::{BindingError, BindingStorage, EtcdBindingOptions, EtcdBindingStorage};
use pitaya::cluster::Server;
use pitaya_tests::etcd::ROOT;
use pitaya_tests::soon;

use crate::driver::{Client, DEADLINE, Fault, outage};
use crate::etcd_service::{EtcdService, PASS, USER, WRONG};

/// A storage, and the users that were put by it.
struct Bound {
    storage: EtcdBindingStorage,
    own: Server,
    put: Mutex<Vec<String>>,
    tried: AtomicU64,
}

fn storage(endpoints: Vec<String>, user: &str, pass: &str) -> EtcdBindingStorage {
    EtcdBindingStorage::new(EtcdBindingOptions {
        endpoints,
        user: user.into(),
        pass: pass.into(),
        dial_timeout: DEADLINE,
        transaction_timeout: DEADLINE,
        ..EtcdBindingOptions::default()
    })
}

fn reason(error: &BindingError) -> String {
    let reason = error.to_string();
    assert!(reason.contains("etcd at http://127.0.0.1:"), "{reason}");
    assert!(!reason.contains(PASS) && !reason.contains(WRONG), "{reason}");
    reason
}

impl Client for Bound {
    type Service = EtcdService;

    /// Each operation connects if it has to.
    const FAILURES: usize = 2;

    async fn prepare(service: &EtcdService, name: &str) -> Self {
        let (storage, own) = (storage(service.endpoints(), USER, PASS), Server::new("connector", name));
        // With a member that is down the first operations may fail.
        soon("the lease", async {
            while let Err(error) = storage.keep(&own).await {
                reason(&error);
            }
        })
        .await;
        Self { storage, own, put: Mutex::default(), tried: AtomicU64::new(0) }
    }

    async fn refused(service: &EtcdService) -> String {
        // The user's password is another one than this now.
        let storage = storage(service.endpoints(), USER, PASS);
        let error = storage.keep(&Server::new("connector", "refused")).await.expect_err("a wrong password");
        assert!(matches!(error, BindingError::Refused(_)), "{error:?}");
        let reason = reason(&error);
        assert!(reason.contains("refuses the user `game`"), "{reason}");
        reason
    }

    async fn operation(&self) -> Result<(), String> {
        let uid = format!("{}-{}", self.own.id, self.tried.fetch_add(1, SeqCst));
        self.storage.keep(&self.own).await.map_err(|error| reason(&error))?;
        self.storage.put(&self.own, &uid).await.map_err(|error| reason(&error))?;
        self.put.lock().unwrap_or_else(PoisonError::into_inner).push(uid.clone());
        let found = self.storage.find("connector", &uid).await.map_err(|error| reason(&error))?;
        assert_eq!(found.as_deref(), Some(&*self.own.id), "{uid}");
        Ok(())
    }

    async fn is_ready(&self) -> Option<bool> {
        None
    }

    async fn recovered(&self, service: &EtcdService) {
        let direct = storage(service.direct(), ROOT, ROOT);
        let put = self.put.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert!(!put.is_empty());
        for uid in &put {
            let found = direct.find("connector", uid).await.expect("etcd answers");
            assert_eq!(found.as_deref(), Some(&*self.own.id), "{uid}");
        }
        self.storage.close(&self.own).await.expect("etcd answers");
        assert_eq!(direct.find("connector", &put[0]).await.expect("etcd answers"), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs etcd"]
async fn etcd_bindings_killed() {
    outage::<Bound>(Fault::Killed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs etcd"]
async fn etcd_bindings_frozen() {
    outage::<Bound>(Fault::Frozen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs etcd"]
async fn etcd_bindings_black_hole() {
    outage::<Bound>(Fault::BlackHole).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs etcd"]
async fn etcd_bindings_wrong_password() {
    outage::<Bound>(Fault::WrongPassword).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs etcd"]
async fn etcd_bindings_token_expired() {
    outage::<Bound>(Fault::TokenExpired).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs etcd"]
async fn etcd_bindings_one_of_three_down() {
    outage::<Bound>(Fault::OneDown).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs etcd"]
async fn etcd_bindings_all_replaced() {
    outage::<Bound>(Fault::AllReplaced).await;
}
