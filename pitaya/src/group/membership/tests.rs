use std::time::Duration;

use crate::error::code;
use crate::group::tests::{groups, online};
use crate::session::Session;

#[tokio::test]
async fn a_membership_ends_with_the_session_that_made_it() {
    let (pool, groups) = groups();
    let limit = Duration::from_secs(1);
    let lobby = groups.group("lobby");
    lobby.create().await.unwrap();
    let unbound = Session::<()>::test_in(&pool).0;
    assert_eq!(lobby.join(&unbound).await.unwrap_err().code(), code::NOT_BOUND);

    let (first, _pushes) = online(&pool, "ann").await;
    lobby.join(&first).await.unwrap();
    let (second, _pushes) = online(&pool, "ann").await;
    assert!(first.is_closed());
    lobby.join(&second).await.unwrap();
    first.frontend().unwrap().run_close_callbacks(limit).await;
    assert_eq!(lobby.members().await.unwrap(), ["ann"], "the newer session owns the membership");
    second.close();
    second.frontend().unwrap().run_close_callbacks(limit).await;
    assert!(lobby.members().await.unwrap().is_empty());
    assert_eq!(groups.memberships().count(), 0);
}

#[tokio::test]
async fn a_late_join_touches_no_other_membership() {
    let (pool, groups) = groups();
    let lobby = groups.group("lobby");
    lobby.create().await.unwrap();
    let (first, _pushes) = online(&pool, "ann").await;
    let (second, _pushes) = online(&pool, "ann").await;
    lobby.join(&second).await.unwrap();
    // Closed, before its callbacks ran and after.
    for _ in 0..2 {
        assert_eq!(lobby.join(&first).await.unwrap_err().code(), code::CLOSED);
        assert_eq!(lobby.members().await.unwrap(), ["ann"]);
        first.frontend().unwrap().run_close_callbacks(Duration::from_secs(1)).await;
    }
    assert_eq!(lobby.members().await.unwrap(), ["ann"]);
    lobby.leave(&second).await.unwrap();
    assert!(lobby.members().await.unwrap().is_empty());
}

#[tokio::test]
async fn joining_again_keeps_one_close_callback() {
    let (pool, groups) = groups();
    let lobby = groups.group("lobby");
    lobby.create().await.unwrap();
    let (ann, _pushes) = online(&pool, "ann").await;
    for _ in 0..1000 {
        lobby.join(&ann).await.unwrap();
    }
    assert_eq!((ann.frontend().unwrap().close_callbacks(), groups.memberships().count()), (1, 1));
    lobby.remove("ann").await.unwrap();
    assert_eq!((ann.frontend().unwrap().close_callbacks(), groups.memberships().count()), (0, 0));
    for n in 0..1000 {
        let room = groups.group(&format!("room-{n}"));
        assert!(room.join(&ann).await.is_err(), "the group does not exist");
        room.create().await.unwrap();
        room.join(&ann).await.unwrap();
        match n % 3 {
            0 => room.delete().await.unwrap(),
            1 => room.remove_all().await.unwrap(),
            _ => room.leave(&ann).await.unwrap(),
        }
    }
    assert_eq!((ann.frontend().unwrap().close_callbacks(), groups.memberships().count()), (0, 0));
}
