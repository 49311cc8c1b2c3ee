//! Groups in etcd: `join` and `contains` are the operation.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pitaya::Error;
use pitaya::group::{EtcdGroupOptions, EtcdStore, GroupError, GroupStore};
use pitaya_tests::etcd::ROOT;
use pitaya_tests::soon;

use crate::driver::{Client, DEADLINE, Fault, outage};
use crate::etcd_service::{EtcdService, PASS, USER, WRONG};

/// A store, and who joined by it.
struct Grouped {
    store: EtcdStore,
    lasting: String,
    passing: String,
    joined: Mutex<Vec<String>>,
    tried: AtomicU64,
}

fn store(endpoints: Vec<String>, user: &str, pass: &str) -> EtcdStore {
    EtcdStore::new(EtcdGroupOptions {
        endpoints,
        user: user.into(),
        pass: pass.into(),
        dial_timeout: DEADLINE,
        transaction_timeout: DEADLINE,
        ..EtcdGroupOptions::default()
    })
}

/// The reason, which must be in the error of the store. A client gets a code and no details.
fn reason(error: GroupError) -> String {
    let GroupError::Store(source) = &error else { panic!("{error}") };
    let reason = source.to_string();
    assert!(reason.contains("etcd at http://127.0.0.1:"), "{reason}");
    assert!(!reason.contains(PASS) && !reason.contains(WRONG), "{reason}");
    let error = Error::from(error);
    assert_eq!((error.code(), error.msg()), ("PIT-000", "internal error"));
    reason
}

impl Client for Grouped {
    type Service = EtcdService;

    /// Each operation connects if it has to.
    const FAILURES: usize = 2;

    async fn prepare(service: &EtcdService, name: &str) -> Self {
        let store = store(service.endpoints(), USER, PASS);
        let (lasting, passing) = (format!("lasting-{name}"), format!("passing-{name}"));
        // With a member that is down the first operations may fail.
        for (group, ttl) in [(&lasting, None), (&passing, Some(Duration::from_secs(600)))] {
            soon("a group", async {
                while let Err(error) = store.create(group, ttl).await {
                    if matches!(error, GroupError::Exists) {
                        break;
                    }
                    reason(error);
                }
            })
            .await;
        }
        Self { store, lasting, passing, joined: Mutex::default(), tried: AtomicU64::new(0) }
    }

    async fn refused(service: &EtcdService) -> String {
        // The user's password is another one than this now.
        let store = store(service.endpoints(), USER, PASS);
        let reason = reason(store.count("any").await.expect_err("the password is wrong"));
        assert!(reason.contains("refuses the user `game`"), "{reason}");
        reason
    }

    async fn operation(&self) -> Result<(), String> {
        let uid = format!("user-{}", self.tried.fetch_add(1, SeqCst));
        for group in [&self.lasting, &self.passing] {
            assert!(self.store.join(group, &uid, "owner").await.map_err(reason)?, "it is owned by another");
        }
        self.joined.lock().unwrap_or_else(PoisonError::into_inner).push(uid.clone());
        assert!(self.store.contains(&self.lasting, &uid).await.map_err(reason)?, "{uid} is lost");
        Ok(())
    }

    async fn is_ready(&self) -> Option<bool> {
        None
    }

    async fn recovered(&self, service: &EtcdService) {
        let direct = store(service.direct(), ROOT, ROOT);
        let joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert!(!joined.is_empty());
        for group in [&self.lasting, &self.passing] {
            for (who, store) in [("under test", &self.store), ("another", &direct)] {
                let members = soon("the members", async {
                    loop {
                        match store.members(group).await {
                            Ok(members) => break members,
                            Err(error) => reason(error),
                        };
                    }
                })
                .await;
                let lost: Vec<_> = joined.iter().filter(|uid| !members.contains(&(&***uid).into())).collect();
                assert!(lost.is_empty(), "{group}, store {who}: lost {lost:?}");
            }
        }
        // A group of an etcd that was away is kept alive as before.
        self.store.renew_ttl(&self.passing).await.expect("it has a time to live");
        for uid in &joined {
            assert!(self.store.leave(&self.lasting, uid, "owner").await.expect("etcd answers"), "{uid}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs etcd"]
async fn etcd_groups_killed() {
    outage::<Grouped>(Fault::Killed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs etcd"]
async fn etcd_groups_frozen() {
    outage::<Grouped>(Fault::Frozen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs etcd"]
async fn etcd_groups_black_hole() {
    outage::<Grouped>(Fault::BlackHole).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs etcd"]
async fn etcd_groups_wrong_password() {
    outage::<Grouped>(Fault::WrongPassword).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs etcd"]
async fn etcd_groups_token_expired() {
    outage::<Grouped>(Fault::TokenExpired).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs etcd"]
async fn etcd_groups_one_of_three_down() {
    outage::<Grouped>(Fault::OneDown).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs etcd"]
async fn etcd_groups_all_replaced() {
    outage::<Grouped>(Fault::AllReplaced).await;
}
