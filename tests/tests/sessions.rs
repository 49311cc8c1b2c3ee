//! Sessions: binding, data, callbacks, and concurrent ways to end one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use pitaya::prelude::*;
use pitaya::session;
use pitaya::session::CloseReason;
use pitaya_tests::raw_client::{Got, RawClient};
use pitaya_tests::server::{self, config, text_json};
use pitaya_tests::{soon, until};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

pitaya::link!(pitaya_tests);

#[tokio::test]
async fn session_is_bound_once_and_found() {
    let server = server::start(config()).await;
    let mut client = RawClient::ready(server.tcp).await;
    assert!(client.ask("arena.whoami", "").await.contains("PIT-401"));
    assert_eq!(client.ask("arena.bind", text_json("ann")).await, text_json("ann"));
    assert_eq!(
        client.ask("arena.bind", text_json("ann")).await,
        r#"{"code":"PIT-000","msg":"session is already bound to an uid"}"#
    );
    let session = server.app.app().sessions().by_uid("ann").expect("found by uid");
    assert_eq!(server.app.app().sessions().by_id(session.id()).and_then(|s| s.uid()).as_deref(), Some("ann"));
    drop(client);
    until("the session to go", || server.app.app().sessions().count() == 0).await;
    assert!(server.app.app().sessions().by_uid("ann").is_none());
    assert!(server.app.app().sessions().by_id(session.id()).is_none());
    server.app.stop().await;
}

#[tokio::test]
async fn unsafe_uids_are_refused() {
    let server = server::start(config()).await;
    let mut client = RawClient::ready(server.tcp).await;
    for uid in ["", "a.b", "a*", ">", "a b", "a/b"] {
        assert_eq!(
            client.ask("arena.bind", text_json(uid)).await,
            r#"{"code":"PIT-000","msg":"illegal uid"}"#,
            "{uid}"
        );
    }
    assert_eq!(client.ask("arena.bind", text_json("fine")).await, text_json("fine"));
    server.app.stop().await;
}

#[tokio::test]
async fn newer_session_closes_the_older() {
    let server = server::start(config()).await;
    let mut old = RawClient::ready(server.tcp).await;
    let mut new = RawClient::ready(server.tcp).await;
    old.ask("arena.bind", text_json("ann")).await;
    let old_session = server.app.app().sessions().by_uid("ann").unwrap();
    assert_eq!(new.ask("arena.bind", text_json("ann")).await, text_json("ann"));
    assert_eq!(old.closed().await, []);
    assert_eq!(old_session.close_reason(), Some(CloseReason::Replaced));
    // The old one is closed again, late, by everybody: the new one stays.
    old_session.close();
    assert!(old_session.kick().await.is_err());
    assert_eq!(new.ask("arena.whoami", "").await, text_json("ann"));
    assert_ne!(server.app.app().sessions().by_uid("ann").unwrap().id(), old_session.id());
    server.app.stop().await;
}

#[tokio::test]
async fn stuck_old_session_does_not_block_a_bind() {
    let server = server::start(config()).await;
    let mut old = RawClient::ready(server.tcp).await;
    old.ask("arena.bind", text_json("ann")).await;
    old.request("arena.flood", "").await;
    until("the flood", || server.recorder.running.load(SeqCst) == 1).await;
    let mut new = RawClient::ready(server.tcp).await;
    assert_eq!(new.ask("arena.bind", text_json("ann")).await, text_json("ann"));
    assert_eq!(new.ask("arena.whoami", "").await, text_json("ann"));
    drop(old);
    server.app.stop().await;
}

/// A concurrent action on a session.
async fn act(session: Session, what: usize) -> Result<()> {
    match what % 3 {
        0 => session.bind("ann").await,
        1 => session.kick().await,
        _ => {
            session.close();
            Ok(())
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_binds_keep_one_session() {
    const SESSIONS: usize = 16;
    let server = server::start(config()).await;
    let pool = server.app.app().sessions();
    let closed = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&closed);
    pool.on_close(move |_| {
        counted.fetch_add(1, SeqCst);
        std::future::ready(())
    });
    // A bind is no single step.
    pool.on_bind(|_| async {
        tokio::task::yield_now().await;
        Ok(())
    });
    pool.on_after_bind(|_| async {
        tokio::task::yield_now().await;
        Ok(())
    });
    for round in 0..30 {
        let mut clients = Vec::new();
        for _ in 0..SESSIONS {
            clients.push(RawClient::ready(server.tcp).await);
        }
        let sessions = pool.all();
        assert_eq!(sessions.len(), SESSIONS, "round {round}: nothing is left of the one before");

        // All bind; of every four, one is kicked and one closed at the same time; in every other round none is.
        let start = Arc::new(Barrier::new(SESSIONS * 2));
        let mut tasks = JoinSet::new();
        for (n, session) in sessions.iter().enumerate() {
            let other = if round % 2 == 0 { 0 } else { n % 4 };
            for what in [0, if other < 3 { other } else { 0 }] {
                let (session, start) = (session.clone(), Arc::clone(&start));
                tasks.spawn(async move {
                    start.wait().await;
                    (n, what, act(session, what).await)
                });
            }
        }
        let mut bound = [0; SESSIONS];
        for (n, what, done) in tasks.join_all().await {
            match done {
                Ok(()) => bound[n] += usize::from(what == 0),
                Err(error) if error.code() == "PIT-499" => {} // closed before
                Err(error) => assert!(what == 0 && error.msg().contains("already bound"), "{error}"),
            }
        }
        assert!(bound.iter().all(|times| *times <= 1), "round {round}: none is bound twice: {bound:?}");

        // Every open session is found by its uid, or was never bound. No other session is found.
        let found = pool.by_uid("ann");
        assert!(found.as_ref().is_none_or(|one| !one.is_closed() && one.uid().as_deref() == Some("ann")));
        assert!(round % 2 == 1 || found.is_some(), "round {round}: the last one stays");
        for (n, session) in sessions.iter().enumerate() {
            let is_found = found.as_ref().is_some_and(|one| one.id() == session.id());
            assert_eq!(
                session.is_closed(),
                !is_found,
                "round {round}: session {n}, bound {} times",
                bound[n]
            );
        }
        assert_eq!(pool.count(), usize::from(found.is_some()), "round {round}");

        // One more bind replaces the session that is left. The sockets of all others are closed.
        let mut last = RawClient::ready(server.tcp).await;
        assert_eq!(last.ask("arena.bind", text_json("ann")).await, text_json("ann"));
        for client in &mut clients {
            client.closed().await;
        }
        assert_eq!(pool.by_uid("ann").map(|one| one.id()), pool.all().first().map(Session::id));
        drop((last, clients));
        let all = (round + 1) * (SESSIONS + 1);
        until("each to be closed once", || closed.load(SeqCst) == all && pool.count() == 0).await;
        assert!(pool.by_uid("ann").is_none());
    }
    server.app.stop().await;
}

/// Callbacks run in their order.
#[tokio::test]
async fn callback_error_undoes_the_bind() {
    let server = server::start(config()).await;
    let pool = server.app.app().sessions();
    for (n, what) in ["first", "second"].into_iter().enumerate() {
        let recorder = Arc::clone(&server.recorder);
        let finds = server.app.app().sessions();
        pool.on_bind(move |session| {
            let (recorder, finds) = (Arc::clone(&recorder), finds.clone());
            async move {
                let uid = session.require_uid()?;
                recorder.write(format!("bind {what} {uid} {}", finds.by_uid(&uid).is_some()));
                if n == 1 && &*uid == "evil" { Err(Error::new("T-3", "no")) } else { Ok(()) }
            }
        });
    }
    let (recorder, finds) = (Arc::clone(&server.recorder), server.app.app().sessions());
    pool.on_after_bind(move |session| {
        let (recorder, finds) = (Arc::clone(&recorder), finds.clone());
        async move {
            let uid = session.require_uid()?;
            recorder.write(format!("after {uid} {}", finds.by_uid(&uid).is_some()));
            if &*uid == "late" { Err(Error::new("T-4", "too late")) } else { Ok(()) }
        }
    });
    let mut client = RawClient::ready(server.tcp).await;
    assert_eq!(client.ask("arena.bind", text_json("evil")).await, r#"{"code":"T-3","msg":"no"}"#);
    assert!(client.ask("arena.whoami", "").await.contains("PIT-401"));
    assert_eq!(client.ask("arena.bind", text_json("late")).await, r#"{"code":"T-4","msg":"too late"}"#);
    assert!(server.app.app().sessions().by_uid("late").is_none());
    assert_eq!(client.ask("arena.bind", text_json("good")).await, text_json("good"));
    assert_eq!(
        server.recorder.lines(),
        [
            "bind first evil false",
            "bind second evil false",
            "bind first late false",
            "bind second late false",
            "after late true",
            "bind first good false",
            "bind second good false",
            "after good true",
        ]
    );
    server.app.stop().await;
}

#[tokio::test]
async fn panic_in_callback_fails_only_the_bind() {
    let server = server::start(config()).await;
    server.app.app().sessions().on_bind(|session| async move {
        assert_ne!(&*session.require_uid()?, "boom");
        Ok(())
    });
    let mut client = RawClient::ready(server.tcp).await;
    assert_eq!(
        client.ask("arena.bind", text_json("boom")).await,
        r#"{"code":"PIT-000","msg":"internal error"}"#
    );
    assert_eq!(client.ask("arena.bind", text_json("ann")).await, text_json("ann"));
    server.app.stop().await;
}

/// Those of the session before those of the pool.
#[tokio::test]
async fn close_callbacks_run_once_in_order() {
    let server = server::start(config()).await;
    let recorder = Arc::clone(&server.recorder);
    server.app.app().sessions().on_close(move |session| {
        let recorder = Arc::clone(&recorder);
        async move { recorder.write(format!("pool {}", session.uid().unwrap())) }
    });
    let mut client = RawClient::ready(server.tcp).await;
    client.ask("arena.bind", text_json("ann")).await;
    let session = server.app.app().sessions().by_uid("ann").unwrap();
    for n in 1..=2 {
        let recorder = Arc::clone(&server.recorder);
        session.on_close(move |_| async move { recorder.write(format!("own {n}")) }).unwrap();
    }
    session.close();
    session.close();
    client.closed().await;
    server.recorder.wrote("pool ann").await;
    assert_eq!(server.recorder.lines(), ["own 1", "own 2", "pool ann"]);
    assert!(session.on_close(|_| async {}).is_err(), "a callback that would never run is refused");
    server.app.stop().await;
}

/// Kick, close, push and bind, from callbacks and from handlers.
#[tokio::test]
async fn concurrent_session_calls_always_end() {
    let server = server::start(config()).await;
    // A session that binds "x" kicks itself in the callback. A close callback kicks the session of "y".
    server.app.app().sessions().on_bind(|session| async move {
        if &*session.require_uid()? == "x" {
            session.push(&server::OnText { text: "bye".into() }).await?;
            session.kick().await?;
        }
        Ok(())
    });
    let pool = server.app.app().sessions();
    server.app.app().sessions().on_close(move |session| {
        let pool = pool.clone();
        async move {
            session.close();
            let _ = session.kick().await;
            let _ = session.bind("z").await;
            if let Some(other) = pool.by_uid("y") {
                let _ = other.kick().await;
            }
        }
    });
    let mut y = RawClient::ready(server.tcp).await;
    y.ask("arena.bind", text_json("y")).await;
    let mut x = RawClient::ready(server.tcp).await;
    x.request("arena.bind", text_json("x")).await;
    let ended = x.closed().await;
    assert!(ended.contains(&Got::Kick), "{ended:?}");
    assert_eq!(y.closed().await, [Got::Kick]);
    until("all to go", || server.app.app().sessions().count() == 0).await;
    assert!(
        server.app.app().sessions().by_uid("x").is_none()
            && server.app.app().sessions().by_uid("z").is_none()
    );
    soon("the stop", server.app.stop()).await;
}

#[tokio::test]
async fn kick_sends_earlier_pushes_first() {
    let server = server::start(config()).await;
    let mut client = RawClient::ready(server.tcp).await;
    client.request("arena.push", r#"{"n":3}"#).await;
    client.request("arena.kick", "").await;
    let all = client.closed().await;
    assert_eq!(all.len(), 5, "three pushes, the answer to the first request, the kick: {all:?}");
    assert_eq!(all.last(), Some(&Got::Kick));
    server.app.stop().await;
}

#[tokio::test]
async fn another_sessions_handler_may_kick() {
    let server = server::start(config()).await;
    let mut ann = RawClient::ready(server.tcp).await;
    let mut bob = RawClient::ready(server.tcp).await;
    ann.ask("arena.bind", text_json("ann")).await;
    assert_eq!(bob.ask("arena.kick_other", text_json("ann")).await, "{}");
    assert_eq!(ann.closed().await, [Got::Kick]);
    assert!(bob.ask("arena.kick_other", text_json("ann")).await.contains("T-2"));
    server.app.stop().await;
}

/// It has the IP version.
#[tokio::test]
async fn session_data_lasts_between_requests() {
    let server = server::start(config()).await;
    let mut client = RawClient::ready(server.tcp).await;
    assert_eq!(client.ask("arena.count", "").await, r#"{"n":1}"#);
    assert_eq!(client.ask("arena.count", "").await, r#"{"n":2}"#);
    assert_eq!(client.ask("arena.data", "").await, text_json(r#"{"ipversion":"ipv4","n":2}"#));
    let mut other = RawClient::ready(server.tcp).await;
    assert_eq!(other.ask("arena.count", "").await, r#"{"n":1}"#);
    server.app.stop().await;
}

#[tokio::test]
async fn ids_count_up_and_are_never_used_twice() {
    let server = server::start(config()).await;
    for n in 1..=5 {
        let mut client = RawClient::ready(server.tcp).await;
        assert_eq!(client.ask("arena.id", "").await, format!(r#"{{"n":{n}}}"#));
    }
    server.app.stop().await;
}

#[session]
#[derive(Default, PartialEq)]
struct Player {
    name: String,
    score: u32,
}

#[tokio::test]
async fn a_typed_view_of_the_data_leaves_other_keys_alone() {
    let (session, _) = Session::<Player>::test();
    assert_eq!(session.data().unwrap(), Player::default());
    session.set("other", [1, 2]).unwrap();
    session.update(|player| player.score += 2).await.unwrap();
    session.update(|player| player.name = "ann".into()).await.unwrap();
    assert_eq!(session.data().unwrap(), Player { name: "ann".into(), score: 2 });
    assert_eq!(session.get::<Vec<i32>>("other").unwrap(), Some(vec![1, 2]));
    assert!(session.get::<bool>("other").is_err(), "of another type");
    assert!(session.remove("score") && !session.contains_key("score"));
    session.clear();
    assert!(session.data_map().is_empty());
    assert!(session.push_to_front().await.unwrap_err().msg().contains("push to front"));
}
