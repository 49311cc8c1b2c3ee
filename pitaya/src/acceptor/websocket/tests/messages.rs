//! Messages over real sockets.

use super::*;

/// Binary or text.
#[tokio::test]
async fn message_is_a_packet_whole_or_fragmented() {
    let (mut client, mut server) = pair(&mut any()).await;
    let packet = b"\x01\0\0\x02{}".as_slice();
    client.send(Message::binary(packet)).await.unwrap();
    client.send(Message::text("\u{1}\0\0\u{2}{}")).await.unwrap();
    client.send(Message::binary(b"not a packet".as_slice())).await.unwrap();
    assert_eq!(recv(&mut *server).await.unwrap().unwrap(), packet);
    assert_eq!(recv(&mut *server).await.unwrap().unwrap(), packet);
    assert_eq!(recv(&mut *server).await.unwrap().unwrap(), "not a packet");

    server.start_send(Bytes::from_static(packet)).unwrap();
    flush(&mut *server).await;
    let answer = client.next().await.unwrap().unwrap();
    assert!(answer.is_binary());
    assert_eq!(&**answer.as_payload(), packet);
}

#[tokio::test]
async fn a_ping_is_answered_and_yields_no_packet() {
    let (mut client, mut server) = pair(&mut any()).await;
    client.send(Message::ping("are you there")).await.unwrap();
    client.send(Message::binary("packet")).await.unwrap();
    assert_eq!(recv(&mut *server).await.unwrap().unwrap(), "packet");
    flush(&mut *server).await;
    let pong = client.next().await.unwrap().unwrap();
    assert!(pong.is_pong());
    assert_eq!(&**pong.as_payload(), b"are you there");
}

#[tokio::test]
async fn client_close_is_answered_and_ends_the_stream() {
    let (mut client, mut server) = pair(&mut any()).await;
    client.send(Message::close(Some(CloseCode::NORMAL_CLOSURE), "bye")).await.unwrap();
    assert!(recv(&mut *server).await.is_none());
    assert!(server.start_send(Bytes::from_static(b"late")).is_err());
    poll_fn(|cx| server.poll_close(cx)).await.unwrap();
    assert!(client.next().await.unwrap().unwrap().is_close());
}

#[tokio::test]
async fn close_flushes_and_does_not_wait_for_client() {
    let (mut client, mut server) = pair(&mut any()).await;
    server.start_send(Bytes::from_static(b"last words")).unwrap();
    poll_fn(|cx| server.poll_close(cx)).await.unwrap();
    poll_fn(|cx| server.poll_close(cx)).await.unwrap();
    assert!(server.start_send(Bytes::from_static(b"late")).is_err());
    drop(server);
    assert_eq!(&**client.next().await.unwrap().unwrap().as_payload(), b"last words");
    let close = client.next().await.unwrap().unwrap();
    assert_eq!(close.as_close().unwrap().0, CloseCode::NORMAL_CLOSURE);
}

/// The limit can be raised.
#[tokio::test]
async fn message_limit_is_that_of_packets() {
    let mut acceptor = any();
    let options = ListenOptions { max_packet_before_ack: 10, ..ListenOptions::default() };
    let address = acceptor.listen(&options).await.unwrap().socket.unwrap();

    let (mut client, mut server) = pair_at(&mut acceptor, address).await;
    client.send(Message::binary(vec![0; 14])).await.unwrap();
    assert_eq!(recv(&mut *server).await.unwrap().unwrap().len(), 14);
    server.set_max_packet(20);
    client.send(Message::binary(vec![0; 24])).await.unwrap();
    assert_eq!(recv(&mut *server).await.unwrap().unwrap().len(), 24);
    client.send(Message::binary(vec![0; 25])).await.unwrap();
    let error = recv(&mut *server).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(crate::acceptor::MessageTooLong::is_in(&error));
    assert!(recv(&mut *server).await.is_none());
    poll_fn(|cx| server.poll_close(cx)).await.unwrap();
    let close = client.next().await.unwrap().unwrap();
    assert_eq!(close.as_close().unwrap().0, CloseCode::MESSAGE_TOO_BIG);
}

#[tokio::test]
async fn fragments_together_are_held_to_the_same_limit() {
    let (mut client, server) = tokio::io::duplex(1024);
    let mut server = Messages::new(server, 10);
    // two unfinished fragments of 10 bytes under a mask of zeros
    client.write_all(b"\x02\x8a\0\0\0\0abcdefghij").await.unwrap();
    client.write_all(b"\x00\x8a\0\0\0\0abcdefghij").await.unwrap();
    let error = recv(&mut server).await.unwrap().unwrap_err();
    assert!(crate::acceptor::MessageTooLong::is_in(&error));
    assert!(recv(&mut server).await.is_none());
}

#[tokio::test]
async fn a_close_says_its_reason_by_a_code() {
    use crate::session::CloseReason;
    for (reason, code) in [
        (CloseReason::Server, 1000),
        (CloseReason::Shutdown, 1001),
        (CloseReason::Protocol, 1002),
        (CloseReason::TooLarge, 1009),
        (CloseReason::Kicked, 4000),
        (CloseReason::Replaced, 4001),
        (CloseReason::Refused, 4002),
        (CloseReason::Timeout, 4003),
        (CloseReason::TooSlow, 4004),
    ] {
        let (mut client, mut server) = pair(&mut any()).await;
        server.close_because(reason);
        poll_fn(|cx| server.poll_close(cx)).await.unwrap();
        let close = client.next().await.unwrap().unwrap();
        let (found, text) = close.as_close().unwrap();
        assert_eq!(u16::from(found), code);
        assert_eq!(text, if code == 1000 { "" } else { reason.as_str() });
    }
}
