use super::*;

fn text(n: usize) -> Vec<u8> {
    json!({ "text": n.to_string() }).to_string().into_bytes()
}

#[tokio::test]
async fn push_reaches_every_subscriber_in_order() {
    let (client, mut server) = connected().await;
    let (mut typed, mut raw, mut other) =
        (client.pushes::<Say>(), client.pushes_raw("onSay"), client.pushes_raw("onOther"));
    for n in 0..3 {
        server.push("onSay", &text(n)).await;
    }
    for n in 0..3 {
        assert_eq!(typed.next().await.unwrap(), say(&n.to_string()));
        assert_eq!(raw.next().await.unwrap(), text(n));
    }
    assert_eq!(other.try_next().unwrap(), None);
    assert_eq!(typed.route(), "onSay");
}

#[tokio::test]
async fn a_push_that_came_first_waits_for_its_subscriber() {
    let (client, mut server) = connected().await;
    server.push("onSay", &text(1)).await;
    server.push("onOther", b"x").await;
    server.push("onSay", &text(2)).await;
    round_trip(&client, &mut server).await;
    let mut says = client.pushes::<Say>();
    assert_eq!(says.try_next().unwrap(), Some(say("1")));
    assert_eq!(says.try_next().unwrap(), Some(say("2")));
    assert_eq!(says.try_next().unwrap(), None);
    assert_eq!(client.pushes_raw("onOther").next().await.unwrap(), "x");
}

#[tokio::test]
async fn unread_pushes_wait_for_the_next_subscriber() {
    let (client, mut server) = connected().await;
    let says = client.pushes::<Say>();
    for n in 0..4 {
        server.push("onSay", &text(n)).await;
    }
    round_trip(&client, &mut server).await;
    drop(says);
    for n in 0..4 {
        assert_eq!(client.pushes::<Say>().next().await.unwrap(), say(&n.to_string()));
    }
}

#[tokio::test]
async fn subscriber_of_all_takes_no_push_away() {
    let (client, mut server) = connected().await;
    server.push("onSay", &text(1)).await;
    round_trip(&client, &mut server).await;
    let mut all = client.all_pushes();
    server.push("caf\u{e9}", b"x").await;
    let first = all.next().await.unwrap();
    assert_eq!((first.route(), first.read::<Say>().unwrap()), ("onSay", say("1")));
    let second = all.next().await.unwrap();
    assert_eq!((second.route(), &second.body()[..]), ("caf\u{e9}", &b"x"[..]));
    assert_eq!(second.read::<Say>().unwrap_err().code(), "PIT-400");
    assert!(all.try_next().unwrap().is_none());
    assert_eq!(client.pushes::<Say>().next().await.unwrap(), say("1"));
}

/// The next push of the right type is received.
#[tokio::test]
async fn push_of_wrong_type_is_an_error_once() {
    let (client, mut server) = connected().await;
    let mut says = client.pushes::<Say>();
    server.push("onSay", b"[]").await;
    server.push("onSay", &text(1)).await;
    let error = says.next().await.unwrap_err();
    assert!(error.msg().starts_with("cannot read the push of onSay: "), "{error}");
    assert_eq!(says.next().await.unwrap(), say("1"));
}

/// It blocks no other subscriber.
#[tokio::test]
async fn slow_subscriber_learns_what_it_missed() {
    let (client, mut server) = connected_with(&Client::builder().push_queue(3), reply()).await;
    let mut slow = client.pushes::<Say>();
    for n in 0..10 {
        server.push("onSay", &text(n)).await;
    }
    round_trip(&client, &mut server).await;
    let error = slow.next().await.unwrap_err();
    assert_eq!((error.code(), error.metadata()), ("PIT-503", &metadata(&[("missed", "7")])));
    for n in 7..10 {
        assert_eq!(slow.next().await.unwrap(), say(&n.to_string()));
    }
    assert!(slow.try_next().unwrap().is_none());
}

#[tokio::test]
async fn what_nobody_subscribes_to_is_kept_within_bounds() {
    let (client, mut server) = connected_with(&Client::builder().push_queue(3), reply()).await;
    for n in 0..5 {
        server.push(&format!("on{n}"), b"").await;
    }
    round_trip(&client, &mut server).await;
    assert_eq!(client.unclaimed_dropped(), 2);
    assert!(client.pushes_raw("on1").try_next().unwrap().is_none());
    assert!(client.pushes_raw("on2").try_next().unwrap().is_some());
}

#[tokio::test]
async fn the_last_pushes_are_read_before_the_end_is() {
    let (client, mut server) = connected().await;
    let mut before = client.pushes::<Say>();
    server.push("onSay", &text(1)).await;
    server.push("onOther", b"").await;
    server.send(&packet::KICK).await;
    client.closed().await;
    assert_eq!(before.next().await.unwrap(), say("1"));
    assert_eq!(before.next().await.unwrap_err().code(), "PIT-499");
    let mut after = client.pushes_raw("onOther");
    assert_eq!(after.next().await.unwrap(), "");
    assert_eq!(after.next().await.unwrap_err().msg(), "the connection is over: kicked by the server");
    assert_eq!(client.all_pushes().next().await.unwrap_err().code(), "PIT-499");
}

#[tokio::test]
async fn a_wait_that_is_given_up_loses_no_push() {
    let (client, mut server) = connected().await;
    let mut says = client.pushes::<Say>();
    {
        let mut wait = std::pin::pin!(says.next());
        assert!(futures_util::poll!(&mut wait).is_pending());
        server.push("onSay", &text(1)).await;
        round_trip(&client, &mut server).await;
    }
    assert_eq!(says.next().await.unwrap(), say("1"));
}
