//! Sessions, seen from a backend.

use pitaya_tests::raw_client::{Got, RawClient};

use crate::test_cluster::TestCluster;

#[tokio::test]
async fn backend_binds_and_changes_session_data() {
    let cluster = TestCluster::default();
    let (hall, gate) = (cluster.hall("hall-1").await, cluster.gate("gate-1").await);
    let mut client = RawClient::of(&gate).await;
    assert_eq!(client.ask("hall.hall.who", "{}").await, r#"{"text":"1 None front:false gate-1  0"}"#);
    assert_eq!(client.ask("hall.hall.bind", r#"{"text":"ann"}"#).await, r#"{"text":"ann"}"#);
    assert_eq!(
        client.ask("hall.hall.who", "{}").await,
        r#"{"text":"1 Some(\"ann\") front:false gate-1 Lady ann 0"}"#
    );
    let session = gate.app().sessions().by_uid("ann").unwrap();
    assert!(session.is_frontend() && session.frontend_id().is_none());
    assert_eq!(session.get::<String>("ipversion").unwrap().as_deref(), Some("ipv4"), "other keys stay");
    // A number stays the whole number it is.
    let gold = i64::MAX - 5;
    let paid = client.ask("hall.hall.pay", format!(r#"{{"text":"{gold}"}}"#)).await;
    assert_eq!(paid, format!(r#"{{"text":"{gold}"}}"#));
    assert_eq!(client.ask("gate.gate.gold", "{}").await, format!(r#"{{"text":"Lady ann {gold}"}}"#));
    for (uid, answer) in
        [("bob", "session is already bound to an uid"), ("", "illegal uid"), ("a.*.b", "illegal uid")]
    {
        let got = client.ask("hall.hall.bind", format!(r#"{{"text":"{uid}"}}"#)).await;
        assert!(got.starts_with(&format!(r#"{{"code":"PIT-000","msg":"{answer}"#)), "{uid}: {got}");
    }
    gate.stop().await;
    hall.stop().await;
}

#[tokio::test]
async fn refused_bind_leaves_no_trace() {
    let cluster = TestCluster::default();
    let hall = cluster.hall("hall-1").await;
    let builder = cluster
        .server("gate", "gate-1", pitaya_tests::server::config())
        .acceptor(pitaya::acceptor::Tcp::new("127.0.0.1:0"))
        .on_bind(|session| async move {
            if &*session.require_uid()? == "banned" {
                Err(pitaya::Error::new("B-1", "banned"))
            } else {
                Ok(())
            }
        });
    let gate = builder.start().await.unwrap();
    let mut client = RawClient::of(&gate).await;
    assert_eq!(
        client.ask("hall.hall.bind", r#"{"text":"banned"}"#).await,
        r#"{"code":"B-1","msg":"banned"}"#
    );
    assert!(gate.app().sessions().by_uid("banned").is_none());
    assert_eq!(client.ask("hall.hall.bind", r#"{"text":"ann"}"#).await, r#"{"text":"ann"}"#);
    gate.stop().await;
    hall.stop().await;
}

#[tokio::test]
async fn backend_pushes_in_order_only_when_bound() {
    let cluster = TestCluster::default();
    let (hall, gate) = (cluster.hall("hall-1").await, cluster.gate("gate-1").await);
    let mut client = RawClient::of(&gate).await;
    assert_eq!(
        client.ask("hall.hall.push", r#"{"text":"x"}"#).await,
        r#"{"code":"PIT-401","msg":"you have to bind an UID to the session to do that"}"#
    );
    client.ask("hall.hall.bind", r#"{"text":"ann"}"#).await;
    client.request("hall.hall.push", r#"{"text":"x"}"#).await;
    let mut pushes = Vec::new();
    let mut answered = false;
    while pushes.len() < 2 || !answered {
        match client.next().await.unwrap() {
            Got::Push { route, body } => pushes.push((route, body)),
            Got::Response { .. } => answered = true,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(pushes[0].0, "onFirst");
    assert_eq!(pushes[1], ("onSecond".into(), r#"{"text":"x"}"#.into()));
    gate.stop().await;
    hall.stop().await;
}

#[tokio::test]
async fn backend_kicks_but_cannot_close() {
    let cluster = TestCluster::default();
    let (hall, gate) = (cluster.hall("hall-1").await, cluster.gate("gate-1").await);
    let mut client = RawClient::of(&gate).await;
    assert_eq!(
        client.ask("hall.hall.kick", "{}").await,
        r#"{"code":"PIT-401","msg":"you have to bind an UID to the session to do that"}"#
    );
    assert_eq!(
        client.ask("hall.hall.forbidden", "{}").await,
        r#"{"text":"PIT-000: onclose callbacks are not allowed on backend servers, closed: false"}"#
    );
    client.ask("hall.hall.bind", r#"{"text":"ann"}"#).await;
    assert_eq!(
        client.ask("hall.hall.join", "{}").await,
        r#"{"text":"PIT-000: onclose callbacks are not allowed on backend servers, members: [\"ann\"]"}"#
    );
    client.request("hall.hall.kick", "{}").await;
    let got = client.closed().await;
    assert!(got.iter().any(|got| matches!(got, Got::Kick)), "{got:?}");
    gate.stop().await;
    hall.stop().await;
}

/// Ten thousand, in turn.
#[tokio::test]
async fn backend_pushes_and_broadcasts_keep_order() {
    let cluster = TestCluster::default();
    let (hall, gate) = (cluster.hall("hall-1").await, cluster.gate("gate-1").await);
    let second = cluster.gate("gate-2").await;
    let mut client = RawClient::of(&gate).await;
    client.ask("hall.hall.bind", r#"{"text":"ann"}"#).await;
    client.request("hall.hall.alternate", r#"{"text":"10000"}"#).await;
    let (mut next, mut answered) = (0, false);
    while next < 10_000 || !answered {
        match client.next().await.unwrap() {
            got @ Got::Push { .. } => {
                assert_eq!(got.text(), format!(r#"{{"text":"{next}"}}"#));
                next += 1;
            }
            Got::Response { .. } => answered = true,
            other => panic!("{other:?}"),
        }
    }
    for app in [gate, second, hall] {
        app.stop().await;
    }
}
