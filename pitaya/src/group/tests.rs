use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::component::FromServices;
use crate::config::OutboxPolicy;
use crate::error::{Error, ErrorKind, Result, code, text};
use crate::serialize::{CustomSerializer, Serializer};
use crate::services::Services;
use crate::session::{CloseReason, OutboxLimits, Pool, Pushes, Session, SessionPool, Settings};
use crate::wire::{message, packet};

const HELLO: Bytes = Bytes::from_static(br#"{"text":"hello"}"#);

pub(super) fn groups() -> (SessionPool, Groups) {
    groups_with(Settings::new(Serializer::Json))
}

fn groups_with(settings: Settings) -> (SessionPool, Groups) {
    let pool = SessionPool(Pool::test(settings));
    let groups = Groups::in_memory(&pool);
    (pool, groups)
}

pub(super) async fn online(pool: &SessionPool, uid: &str) -> (Session, Pushes) {
    let (session, pushes) = Session::test_in(pool);
    session.bind(uid).await.unwrap();
    (session, pushes)
}

fn error_text<T: std::fmt::Debug>(result: Result<T>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.code(), code::UNKNOWN);
    error.msg().to_owned()
}

#[tokio::test]
async fn a_broadcast_reaches_exactly_the_members() {
    let (pool, groups) = groups();
    let lobby = groups.group("lobby");
    lobby.create().await.unwrap();
    let mut members = Vec::new();
    for n in 0..1000 {
        let uid = format!("u{n}");
        lobby.add(&uid).await.unwrap();
        members.push(online(&pool, &uid).await.1);
    }
    let (_session, other) = online(&pool, "other").await;

    let delivery = lobby.push_route("onSay", &HELLO).await.unwrap();
    assert_eq!((delivery.sent, delivery.failed.len()), (1000, 0));
    for pushes in members {
        assert_eq!(pushes.take(), [("onSay".to_owned(), HELLO)]);
    }
    assert!(other.take().is_empty());
}

#[tokio::test]
async fn multicast_reaches_only_filtered_members() {
    let (pool, groups) = groups();
    let lobby = groups.group("lobby");
    lobby.create().await.unwrap();
    let (_a, red) = online(&pool, "red-1").await;
    let (_b, blue) = online(&pool, "blue-1").await;
    let (_c, outsider) = online(&pool, "red-2").await;
    lobby.add("red-1").await.unwrap();
    lobby.add("blue-1").await.unwrap();

    let delivery = lobby.multicast_route("onSay", &HELLO, |uid| uid.starts_with("red")).await.unwrap();
    assert_eq!((delivery.sent, delivery.failed.len()), (1, 0));
    assert_eq!((red.take().len(), blue.take().len(), outsider.take().len()), (1, 0, 0));
}

struct Counting(Arc<AtomicUsize>);

impl CustomSerializer for Counting {
    fn name(&self) -> &str {
        "counting"
    }
    fn serialize(
        &self,
        value: &dyn erased_serde::Serialize,
        out: &mut Vec<u8>,
    ) -> Result<(), crate::BoxError> {
        self.0.fetch_add(1, Relaxed);
        Ok(serde_json::to_writer(out, value)?)
    }
    fn deserialize(
        &self,
        _body: &[u8],
        _visit: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), crate::BoxError> {
        Err("not in this test".into())
    }
}

#[tokio::test]
async fn broadcast_is_encoded_once_and_shared() {
    let encoded = Arc::new(AtomicUsize::new(0));
    let (pool, groups) = groups_with(Settings::new(Serializer::from(Counting(Arc::clone(&encoded)))));
    let lobby = groups.group("lobby");
    lobby.create().await.unwrap();
    let mut sessions = Vec::new();
    for n in 0..10 {
        let uid = format!("u{n}");
        lobby.add(&uid).await.unwrap();
        sessions.push(online(&pool, &uid).await.0);
    }
    lobby.push_route("onSay", &()).await.unwrap();
    assert_eq!(encoded.load(Relaxed), 1);
    sessions.iter().for_each(|session| drop(session.frontend().unwrap().take_batch()));

    // Large enough to be shared rather than copied.
    lobby.push_route("onSay", &Bytes::from(vec![b'x'; 4096])).await.unwrap();
    let mut packets = sessions.iter().map(|s| s.frontend().unwrap().take_batch().0.unwrap().pop().unwrap());
    let first = packets.next().unwrap();
    assert!(packets.all(|packet| packet.as_ptr() == first.as_ptr()));
}

#[tokio::test]
async fn members_that_cannot_be_reached_are_named() {
    let mut settings = Settings::new(Serializer::Json);
    settings.outbox = OutboxLimits { messages: 1, bytes: 40, policy: OutboxPolicy::Disconnect };
    let (pool, groups) = groups_with(settings);
    let lobby = groups.group("lobby");
    lobby.create().await.unwrap();
    let (slow, _unread) = online(&pool, "slow").await;
    let (_fine, read) = online(&pool, "fine").await;
    for uid in ["away", "slow", "fine"] {
        lobby.add(uid).await.unwrap();
    }

    assert_eq!(lobby.push_route("onSay", &HELLO).await.unwrap().failed, ["away"]);
    assert_eq!(read.take().len(), 1);
    let delivery = lobby.push_route("onSay", &HELLO).await.unwrap();
    assert_eq!((delivery.sent, &delivery.failed[..]), (1, &["away".to_owned(), "slow".to_owned()][..]));
    assert_eq!(
        slow.close_reason(),
        Some(CloseReason::TooSlow),
        "only the client with the full outbox is closed"
    );
    assert_eq!(read.take().len(), 1);
    let error = delivery.complete().unwrap_err();
    assert_eq!((error.code(), error.msg()), (code::UNKNOWN, text::PUSHING_TO_USERS));
    assert_eq!(error.metadata()["uids"], "away,slow");
    assert_eq!(
        lobby.members().await.unwrap(),
        ["away", "slow", "fine"],
        "a member stays when it disconnects"
    );
}

#[tokio::test]
async fn an_unencodable_broadcast_reaches_nobody() {
    let (pool, groups) = groups();
    let lobby = groups.group("lobby");
    lobby.create().await.unwrap();
    lobby.add("ann").await.unwrap();
    let (_session, pushes) = online(&pool, "ann").await;
    let route = "r".repeat(256);
    assert_eq!(lobby.push_route(&route, &HELLO).await.unwrap_err().code(), code::INTERNAL);
    assert!(pushes.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn every_operation_and_its_errors() {
    let (_pool, groups) = groups();
    let g = groups.group("g");
    assert_eq!(error_text(g.members().await), "group not found");
    assert_eq!(error_text(g.contains("ann").await), "group not found");
    assert_eq!(error_text(g.add("ann").await), "group not found");
    assert_eq!(error_text(g.remove("ann").await), "group not found");
    assert_eq!(error_text(g.remove_all().await), "group not found");
    assert_eq!(error_text(g.count().await), "group not found");
    assert_eq!(error_text(g.renew_ttl().await), "group not found");
    assert_eq!(error_text(g.delete().await), "group not found");
    assert_eq!(error_text(g.push_route("r", &HELLO).await), "group not found");

    g.create().await.unwrap();
    assert_eq!(g.create().await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(error_text(g.create().await), "group already exists");
    assert_eq!(error_text(g.create_with_ttl(Duration::from_secs(1)).await), "group already exists");
    g.ensure().await.unwrap();
    assert_eq!(error_text(g.renew_ttl().await), "memory group TTL not found");
    assert_eq!(error_text(g.add("").await), "empty uid");
    assert_eq!(error_text(g.contains("").await), "empty uid");
    assert_eq!(error_text(g.add("a/b").await), "illegal uid");

    for uid in ["ann", "bob", "cid"] {
        g.add(uid).await.unwrap();
    }
    assert_eq!(error_text(g.add("ann").await), "member already exists in group");
    assert_eq!(error_text(g.remove("dan").await), "member not found in the group");
    g.remove("ann").await.unwrap();
    g.add("ann").await.unwrap();
    assert_eq!(g.members().await.unwrap(), ["bob", "cid", "ann"], "in the order in which they were added");
    assert!(g.contains("ann").await.unwrap() && !g.contains("dan").await.unwrap());
    assert_eq!(g.count().await.unwrap(), 3);
    g.remove_all().await.unwrap();
    assert_eq!(g.count().await.unwrap(), 0);
    g.delete().await.unwrap();
    assert_eq!(error_text(g.delete().await), "group not found");

    let t = groups.group("t");
    t.ensure().await.unwrap();
    t.delete().await.unwrap();
    t.create_with_ttl(Duration::from_secs(2)).await.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    t.renew_ttl().await.unwrap();
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(error_text(t.count().await), "group not found");
}

#[tokio::test]
async fn names_that_would_break_a_key_are_refused() {
    let (_pool, groups) = groups();
    for name in ["", "a/b", "a\nb", "\0", &"x".repeat(129)] {
        let group = groups.group(name);
        assert_eq!(error_text(group.create().await), "illegal group name", "{name:?}");
        assert_eq!(error_text(group.ensure().await), "illegal group name");
        assert_eq!(group.ensure().await.unwrap_err().kind(), ErrorKind::BadRequest);
        assert_eq!(error_text(group.add("ann").await), "illegal group name");
        assert_eq!(error_text(group.push_route("r", &HELLO).await), "illegal group name");
    }
    for name in ["room.1", "a b", "größe", &"x".repeat(128)] {
        groups.group(name).create().await.unwrap();
    }
}

#[tokio::test]
async fn push_to_users_names_those_not_reached() {
    let (pool, groups) = groups();
    let users = groups.users();
    let (_ann, ann) = online(&pool, "ann").await;
    let (_bob, bob) = online(&pool, "bob").await;

    users.push_route(&["ann"], "onSay", &HELLO).await.unwrap().complete().unwrap();
    assert_eq!((ann.take().len(), bob.take().len()), (1, 0));
    let uids = vec!["nobody".to_owned(), "bob".to_owned()];
    let delivery = users.push_route(&uids, "onSay", &HELLO).await.unwrap();
    assert_eq!((delivery.sent, &delivery.failed[..]), (1, &["nobody".to_owned()][..]));
    assert_eq!(error_text(delivery.complete()), "failed to push message to users");
}

#[tokio::test]
async fn users_are_kicked_and_those_not_reached_are_named() {
    let (pool, groups) = groups();
    let (ann, _pushes) = online(&pool, "ann").await;
    let (bob, _pushes) = online(&pool, "bob").await;
    let delivery = groups.users().kick(&["ann", "nobody"]).await.unwrap();
    assert_eq!((delivery.sent, &delivery.failed[..]), (1, &["nobody".to_owned()][..]));
    assert_eq!(error_text(delivery.complete()), "failed to kick users");
    assert_eq!((ann.close_reason(), bob.close_reason()), (Some(CloseReason::Kicked), None));
    assert_eq!(ann.frontend().unwrap().take_batch().0.unwrap().pop().unwrap(), &packet::KICK[..]);
    assert_eq!(groups.users().kick(&["ann"]).await.unwrap().failed, ["ann"], "gone already");
}

#[tokio::test]
async fn a_push_to_a_group_is_a_push_on_the_wire() {
    let (pool, groups) = groups();
    let lobby = groups.group("lobby");
    lobby.create().await.unwrap();
    lobby.add("ann").await.unwrap();
    let (ann, _pushes) = online(&pool, "ann").await;
    lobby.push_route("onSay", &HELLO).await.unwrap();
    let bytes = ann.frontend().unwrap().take_batch().0.unwrap().pop().unwrap();
    let packet = packet::whole(&bytes, packet::MAX_BODY).unwrap();
    assert_eq!(message::decode(packet.body).unwrap().body, &HELLO[..]);
}

struct Broken;

impl GroupStore for Broken {
    fn create<'a>(&'a self, _: &'a str, _: Option<Duration>) -> StoreFuture<'a, ()> {
        Box::pin(async { Err(GroupError::Store("the disk is on fire".into())) })
    }
    fn members<'a>(&'a self, _: &'a str) -> StoreFuture<'a, Members> {
        Box::pin(async { Ok(["ann".into()].into()) })
    }
    fn contains<'a>(&'a self, _: &'a str, _: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(async { Ok(true) })
    }
    fn add<'a>(&'a self, _: &'a str, _: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }
    fn remove<'a>(&'a self, _: &'a str, _: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }
    fn remove_all<'a>(&'a self, _: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }
    fn count<'a>(&'a self, _: &'a str) -> StoreFuture<'a, usize> {
        Box::pin(async { Ok(1) })
    }
    fn renew_ttl<'a>(&'a self, _: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }
    fn delete<'a>(&'a self, _: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn custom_store_failures_stay_contained() {
    let pool = SessionPool::test();
    let groups = Groups::new(Broken, Users::new(&pool));
    let (_session, pushes) = online(&pool, "ann").await;
    groups.group("any").push_route("onSay", &HELLO).await.unwrap();
    assert_eq!(pushes.take().len(), 1);
    let error: Error = groups.group("any").ensure().await.unwrap_err();
    assert_eq!((error.code(), error.msg()), (code::UNKNOWN, text::INTERNAL));
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the disk is on fire");
}

#[tokio::test(start_paused = true)]
async fn housekeeping_runs_from_start_to_cancel() {
    let pool = SessionPool::test();
    let groups = Groups::new(MemoryStore::with_tick(Duration::from_secs(1)), Users::new(&pool));
    let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
    groups.start(&tracker, cancel.clone());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(tracker.len(), 1);
    cancel.cancel();
    tracker.close();
    tracker.wait().await;
}

#[tokio::test]
async fn groups_and_users_are_services_of_the_app() {
    let (_pool, groups) = groups();
    let services = Services::default();
    assert!(Groups::from_services(&services).is_err());
    services.insert(groups.users().clone());
    services.insert(groups.clone());
    groups.group("lobby").create().await.unwrap();
    let same = Groups::from_services(&services).unwrap();
    assert_eq!(same.group("lobby").count().await.unwrap(), 0);
    Users::from_services(&services).unwrap();
}
