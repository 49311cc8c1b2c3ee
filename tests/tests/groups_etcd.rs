//! Groups in etcd, shared by servers, as Go Pitaya reads and writes them.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use pitaya::SessionPool;
use pitaya::group::{EtcdGroupOptions, EtcdStore, GroupError, GroupStore, Groups, Users};
use pitaya::prelude::*;
use pitaya_tests::certificate::Certificate;
use pitaya_tests::etcd::{self, Etcd};

fn store(etcd: &Etcd, prefix: &str) -> EtcdStore {
    let options = EtcdGroupOptions {
        endpoints: vec![etcd.url()],
        prefix: prefix.to_owned(),
        ..EtcdGroupOptions::default()
    };
    EtcdStore::new(options)
}

fn groups(etcd: &Etcd, prefix: &str) -> Groups {
    Groups::new(store(etcd, prefix), Users::new(&SessionPool::test()))
}

fn said<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().msg().to_owned()
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn what_one_server_does_to_a_group_the_other_sees() {
    let etcd = Etcd::shared().await;
    let prefix = etcd::prefix();
    let (one, two) = (groups(etcd, &prefix), groups(etcd, &prefix));
    let (here, there) = (one.group("lobby"), two.group("lobby"));
    here.create().await.unwrap();
    assert_eq!(said(there.create().await), "group already exists");
    there.add("bob").await.unwrap();
    here.add("ann").await.unwrap();
    assert_eq!(said(there.add("ann").await), "member already exists in group");
    assert_eq!(there.members().await.unwrap(), ["ann", "bob"]);
    assert_eq!(here.count().await.unwrap(), 2);
    assert!(here.contains("bob").await.unwrap() && !here.contains("eve").await.unwrap());
    here.remove("bob").await.unwrap();
    assert_eq!(said(there.remove("bob").await), "member not found in the group");
    there.remove_all().await.unwrap();
    assert_eq!(here.count().await.unwrap(), 0);
    here.add("eve").await.unwrap();
    there.delete().await.unwrap();
    for said in [
        said(here.members().await),
        said(here.contains("eve").await),
        said(here.add("eve").await),
        said(here.remove("eve").await),
        said(here.remove_all().await),
        said(here.count().await),
        said(here.renew_ttl().await),
        said(here.delete().await),
    ] {
        assert_eq!(said, "group not found");
    }
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn keys_are_those_of_go_pitaya() {
    let etcd = Etcd::shared().await;
    let prefix = etcd::prefix();
    let ours = groups(etcd, &prefix);
    ours.group("lobby").create().await.unwrap();
    ours.group("lobby").add("ann").await.unwrap();
    let mut client = etcd.client().await;
    let all = client.get(&*prefix, Some(etcd_client::GetOptions::new().with_prefix())).await.unwrap();
    let keys: Vec<_> = all.kvs().iter().map(|kv| (kv.key_str().unwrap(), kv.value_str().unwrap())).collect();
    let (group, member) = (format!("{prefix}groups/lobby"), format!("{prefix}groups/lobby/uids/ann"));
    assert_eq!(keys, [(&*group, ""), (&*member, "")]);
    // One of theirs, with a member.
    client.put(format!("{prefix}groups/theirs"), "", None).await.unwrap();
    client.put(format!("{prefix}groups/theirs/uids/bob"), "", None).await.unwrap();
    assert_eq!(ours.group("theirs").members().await.unwrap(), ["bob"]);
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn group_expires_with_members_unless_renewed() {
    let etcd = Etcd::shared().await;
    let prefix = etcd::prefix();
    let groups = groups(etcd, &prefix);
    let (short, long) = (groups.group("short"), groups.group("long"));
    short.create_with_ttl(Duration::from_secs(1)).await.unwrap();
    short.add("ann").await.unwrap();
    long.create().await.unwrap();
    assert_eq!(said(long.renew_ttl().await), "memory group TTL not found");
    short.renew_ttl().await.unwrap();
    assert_eq!(said(short.create_with_ttl(Duration::from_secs(9)).await), "group already exists");
    pitaya_tests::soon("the group to go", async {
        while short.members().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let mut client = etcd.client().await;
    let left = client.get(&*prefix, Some(etcd_client::GetOptions::new().with_prefix())).await.unwrap();
    let keys: Vec<_> = left.kvs().iter().map(|kv| kv.key_str().unwrap().to_owned()).collect();
    assert_eq!(keys, [format!("{prefix}groups/long")], "its member went with it");
    // Neither did the lease of the group that could not be made stay.
    let leases = client.leases().await.unwrap();
    for lease in leases.leases() {
        let found = client.lease_client().time_to_live(lease.id(), None).await.unwrap();
        assert_ne!(found.granted_ttl(), 9);
    }
}

/// The leases of the keys that begin so.
async fn leases(etcd: &Etcd, prefix: &str) -> Vec<(String, i64)> {
    let client = etcd.client().await;
    let all = etcd_client::GetOptions::new().with_prefix();
    let found = client.kv_client().get(prefix, Some(all)).await.unwrap();
    found.kvs().iter().map(|kv| (kv.key_str().unwrap().to_owned(), kv.lease())).collect()
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn delete_revokes_the_lease_of_the_group() {
    let etcd = Etcd::shared().await;
    let prefix = etcd::prefix();
    let groups = groups(etcd, &prefix);
    groups.group("raid").create_with_ttl(Duration::from_secs(4321)).await.unwrap();
    groups.group("raid").add("ann").await.unwrap();
    let lease = leases(etcd, &format!("{prefix}groups/raid")).await[0].1;
    groups.group("raid").delete().await.unwrap();
    let client = etcd.client().await;
    let left = client.lease_client().time_to_live(lease, None).await.unwrap().ttl();
    assert_eq!(left, -1, "etcd still has the lease of a deleted group");
    assert!(leases(etcd, &prefix).await.is_empty());
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn a_member_has_the_lease_of_its_group() {
    let etcd = Etcd::shared().await;
    let prefix = etcd::prefix();
    let (one, two) = (groups(etcd, &prefix), groups(etcd, &prefix));
    // A group is deleted and created again, alternately with and without a lease, while a member is added.
    let remake = async {
        let group = one.group("raid");
        for round in 0..150 {
            if round % 2 == 0 {
                group.create_with_ttl(Duration::from_secs(600)).await.unwrap();
            } else {
                group.create().await.unwrap();
            }
            tokio::task::yield_now().await;
            let found = leases(etcd, &format!("{prefix}groups/raid")).await;
            for (key, lease) in &found {
                assert_eq!(*lease, found[0].1, "{key} in round {round}");
            }
            group.delete().await.unwrap();
        }
    };
    let add = async {
        for n in 0_u64.. {
            let added = two.group("raid").add(&format!("user-{n}")).await;
            if let Err(error) = added {
                assert_eq!(error.msg(), "group not found");
            }
        }
    };
    tokio::select! {
        () = remake => {}
        () = add => {}
    }
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn join_and_leave_survive_a_change_of_the_lease() {
    let etcd = Etcd::shared().await;
    let prefix = etcd::prefix();
    let store = store(etcd, &prefix);
    store.create("raid", None).await.unwrap();
    let group = format!("{prefix}groups/raid");
    let client = etcd.client().await;
    let mut leases = vec![0];
    for _ in 0..3 {
        leases.push(client.lease_client().grant(600, None).await.unwrap().id());
    }
    let done = std::sync::atomic::AtomicU64::new(0);
    // The group gets another lease all the time, but no more than one or two in the middle of one operation.
    let change = async {
        for lease in leases.iter().cycle() {
            let options = etcd_client::PutOptions::new().with_lease(*lease);
            client.kv_client().put(&*group, "", Some(options)).await.unwrap();
            let before = done.load(SeqCst);
            while done.load(SeqCst) == before {
                tokio::task::yield_now().await;
            }
        }
    };
    let members = async {
        for n in 0..200 {
            let uid = format!("user-{n}");
            assert!(store.join("raid", &uid, "one").await.unwrap(), "{uid}");
            done.fetch_add(1, SeqCst);
            assert!(store.contains("raid", &uid).await.unwrap(), "{uid}");
            assert!(!store.leave("raid", &uid, "other").await.unwrap(), "{uid} belongs to another");
            done.fetch_add(1, SeqCst);
            assert!(store.leave("raid", &uid, "one").await.unwrap(), "{uid}");
            done.fetch_add(1, SeqCst);
            assert!(!store.contains("raid", &uid).await.unwrap(), "{uid}");
        }
    };
    tokio::select! {
        () = change => unreachable!("it has no end"),
        () = members => {}
    }
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn joined_members_have_the_lease_of_their_group() {
    let etcd = Etcd::shared().await;
    let prefix = etcd::prefix();
    let (one, two) = (groups(etcd, &prefix), store(etcd, &prefix));
    // A group is deleted and made again, by turns with and without a lease, while members join and leave.
    let remake = async {
        let group = one.group("raid");
        for round in 0..100 {
            if round % 2 == 0 {
                group.create_with_ttl(Duration::from_secs(600)).await.unwrap();
            } else {
                group.create().await.unwrap();
            }
            let found = leases(etcd, &format!("{prefix}groups/raid")).await;
            for (key, lease) in &found {
                assert_eq!(*lease, found[0].1, "{key} in round {round}");
            }
            group.delete().await.unwrap();
            assert!(leases(etcd, &prefix).await.is_empty(), "a member without a group in round {round}");
        }
    };
    let members = async {
        for n in 0_u64.. {
            let uid = format!("user-{n}");
            match two.join("raid", &uid, "one").await {
                Ok(joined) => assert!(joined, "{uid}"),
                Err(error) => assert!(matches!(error, GroupError::NotFound), "{error:?}"),
            }
            if n % 2 == 0 {
                two.leave("raid", &uid, "one").await.unwrap();
            }
        }
    };
    tokio::select! {
        () = remake => {}
        () = members => unreachable!("it has no end"),
    }
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn a_group_of_100000_members_is_read() {
    const MEMBERS: usize = 100_000;
    let etcd = Etcd::start().await;
    let store = store(&etcd, "pitaya/");
    store.create("world", None).await.unwrap();
    // As `add` puts them, many at a time.
    let client = etcd.client().await;
    for part in 0..MEMBERS / 100 {
        let key = |n| format!("pitaya/groups/world/uids/player-{:08}", part * 100 + n);
        let puts: Vec<_> = (0..100).map(|n| etcd_client::TxnOp::put(key(n), "", None)).collect();
        client.kv_client().txn(etcd_client::Txn::new().and_then(puts)).await.unwrap();
    }
    assert_eq!(store.count("world").await.unwrap(), MEMBERS);
    let members = store.members("world").await.unwrap();
    assert_eq!(members.len(), MEMBERS);
    assert!(members.windows(2).all(|pair| pair[0] < pair[1]), "each once, in order");
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn groups_do_without_an_endpoint_that_is_down() {
    let etcd = Etcd::start().await;
    let endpoints = vec!["http://127.0.0.1:1".to_owned(), etcd.url()];
    let store = EtcdStore::new(EtcdGroupOptions { endpoints, ..EtcdGroupOptions::default() });
    for n in 0..100 {
        store.create(&format!("g{n}"), None).await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn groups_reach_an_etcd_by_localhost_or_a_port() {
    let mut reached = 0;
    for ip in tokio::net::lookup_host("localhost:1").await.unwrap().map(|address| address.ip()) {
        let host = if ip.is_ipv4() { "127.0.0.1" } else { "[::1]" };
        let etcd = Etcd::start_at(host).await;
        let port = etcd.port();
        for endpoint in [format!(":{port}"), format!("http://:{port}"), format!("localhost:{port}")] {
            let options =
                EtcdGroupOptions { endpoints: vec![endpoint.clone()], ..EtcdGroupOptions::default() };
            EtcdStore::new(options).create(&endpoint.replace(['/', ':'], "-"), None).await.unwrap();
            reached += 1;
        }
    }
    assert!(reached > 0, "localhost has no address");
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn groups_reach_an_etcd_that_speaks_tls() {
    let made = Certificate::of(&["127.0.0.1"]);
    let (cert, key) = (made.cert_file(), made.key_file());
    let etcd = Etcd::start_tls(&cert, &key).await;
    let endpoints = vec![format!("127.0.0.1:{}", etcd.port())];
    let options = EtcdGroupOptions { endpoints, ..EtcdGroupOptions::default() };
    let trusting = EtcdStore::new(EtcdGroupOptions { ca_file: Some(cert), ..options.clone() });
    pitaya_tests::soon("etcd to be there", async {
        while trusting.create("lobby", None).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let plain = EtcdStore::new(options);
    assert!(plain.count("lobby").await.is_err());
}

#[tokio::test]
#[ignore = "needs etcd"]
async fn etcd_outage_fails_group_operations_only() {
    let etcd = Etcd::start().await;
    let prefix = etcd::prefix();
    let groups = groups(&etcd, &prefix);
    groups.group("lobby").create().await.unwrap();
    etcd.kill();
    let error = groups.group("lobby").count().await.unwrap_err();
    assert_eq!((error.code(), error.msg()), ("PIT-000", "internal error"));
    etcd.restart().await;
    pitaya_tests::soon("it to work again", async {
        while groups.group("lobby").count().await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}
