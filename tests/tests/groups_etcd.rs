//! Groups in etcd, shared by servers, and as servers of the original read and write them.

use std::time::Duration;

use pitaya::error::text;
use pitaya::group::{EtcdGroupOptions, EtcdStore, Groups, Users};
use pitaya::prelude::*;
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
async fn what_one_server_does_to_a_group_the_other_sees() {
    let Some(etcd) = Etcd::shared().await else { return };
    let prefix = etcd::prefix();
    let (one, two) = (groups(etcd, &prefix), groups(etcd, &prefix));
    let (here, there) = (one.group("lobby"), two.group("lobby"));
    here.create().await.unwrap();
    assert_eq!(said(there.create().await), text::GROUP_EXISTS);
    there.add("bob").await.unwrap();
    here.add("ann").await.unwrap();
    assert_eq!(said(there.add("ann").await), text::MEMBER_EXISTS);
    assert_eq!(there.members().await.unwrap(), ["ann", "bob"]);
    assert_eq!(here.count().await.unwrap(), 2);
    assert!(here.contains("bob").await.unwrap() && !here.contains("eve").await.unwrap());
    here.remove("bob").await.unwrap();
    assert_eq!(said(there.remove("bob").await), text::MEMBER_NOT_FOUND);
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
        assert_eq!(said, text::GROUP_NOT_FOUND);
    }
}

#[tokio::test]
async fn the_keys_are_those_that_servers_of_the_original_have() {
    let Some(etcd) = Etcd::shared().await else { return };
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
async fn a_group_with_a_time_to_live_goes_with_its_members_unless_it_is_renewed() {
    let Some(etcd) = Etcd::shared().await else { return };
    let prefix = etcd::prefix();
    let groups = groups(etcd, &prefix);
    let (short, long) = (groups.group("short"), groups.group("long"));
    short.create_with_ttl(Duration::from_secs(1)).await.unwrap();
    short.add("ann").await.unwrap();
    long.create().await.unwrap();
    assert_eq!(said(long.renew_ttl().await), text::GROUP_TTL_NOT_FOUND);
    short.renew_ttl().await.unwrap();
    assert_eq!(said(short.create_with_ttl(Duration::from_secs(9)).await), text::GROUP_EXISTS);
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

#[tokio::test]
async fn an_etcd_that_is_away_makes_operations_fail_and_nothing_else() {
    let Some(etcd) = Etcd::start().await else { return };
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
