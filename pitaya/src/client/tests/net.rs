//! Real sockets, with a small server behind each kind.

use tokio::net::TcpListener;

use super::*;
use crate::client::CloseReason;

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// Welcomes one client, echoes one request and waits until the client goes.
async fn serve_bytes<S: AsyncRead + AsyncWrite + Unpin>(stream: S) {
    let mut server = Server::new(stream);
    server.welcome(&reply(), false).await;
    server.acked().await;
    server.echo_one().await;
    assert_eq!(server.packet().await, None);
}

async fn use_it(client: Client) {
    let body = Bytes::from(vec![b'x'; 100_000]);
    assert_eq!(client.request_raw("a.b", body.clone()).await.unwrap(), body);
    assert_eq!(client.disconnect().await.reason, CloseReason::Disconnected);
}

#[tokio::test]
async fn tcp_carries_a_client() {
    let (listener, address) = listen().await;
    let server = async { serve_bytes(listener.accept().await.unwrap().0).await };
    let client = async { use_it(Client::builder().connect_tcp(&address).await.unwrap()).await };
    tokio::join!(server, client);
}

#[tokio::test]
async fn a_port_without_a_server_is_an_io_error() {
    let (listener, address) = listen().await;
    drop(listener);
    let error = Client::builder().connect_tcp(&address).await.unwrap_err();
    assert!(matches!(error, ConnectError::Io(_)), "{error}");
    assert_eq!(crate::Error::from(error).code(), "PIT-503");
}

#[cfg(feature = "tls")]
mod tls {
    use std::sync::Arc;

    use rustls_pki_types::PrivateKeyDer;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::{ServerConfig, crypto};

    use super::*;
    use crate::client::Tls;

    /// A server's side for `localhost`, and what a client needs to trust it.
    pub(super) fn pair() -> (TlsAcceptor, Tls) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        (TlsAcceptor::from(Arc::new(config)), Tls::trust_pem(made.cert.pem().as_bytes()).unwrap())
    }

    #[tokio::test]
    async fn tls_carries_a_client_that_trusts_the_certificate() {
        let (listener, address) = listen().await;
        let (acceptor, trust) = pair();
        let server = async {
            let stream = listener.accept().await.unwrap().0;
            serve_bytes(acceptor.accept(stream).await.unwrap()).await;
        };
        let client = async {
            use_it(Client::builder().connect_tls(&address, "localhost", trust).await.unwrap()).await;
        };
        tokio::join!(server, client);
    }

    #[tokio::test]
    async fn a_certificate_of_somebody_else_is_refused() {
        let (acceptor, trust) = pair();
        let (_, stranger) = pair();
        for (name, trust) in [("localhost", stranger), ("example.com", trust)] {
            let (listener, address) = listen().await;
            let server = async {
                let stream = listener.accept().await.unwrap().0;
                assert!(acceptor.accept(stream).await.is_err());
            };
            let builder = Client::builder();
            let (client, ()) = tokio::join!(builder.connect_tls(&address, name, trust), server);
            let error = client.unwrap_err();
            assert!(matches!(error, ConnectError::Io(_)) && error.to_string().contains("certificate"));
        }
        assert!(Tls::trust_pem(b"nothing").is_err());
        let bad = Client::builder().connect_tls("127.0.0.1:1", "no name", pair().1).await;
        assert!(bad.is_err());
    }
}

#[cfg(feature = "websocket")]
mod websocket {
    use futures_util::{SinkExt, StreamExt};
    use tokio_websockets::{Message, ServerBuilder, WebSocketStream};

    use super::*;

    /// As [`serve_bytes`]; checks that each message is one packet. Bytes to send before the echo can be given.
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, first: Option<Message>) {
        let (request, mut ws) = ServerBuilder::new().accept(stream).await.unwrap();
        assert_eq!((request.uri().path(), request.uri().query()), ("/game", Some("x=1")));
        let packet = async |ws: &mut WebSocketStream<S>, kind| {
            let message = ws.next().await.unwrap().unwrap();
            assert!(message.is_binary());
            let bytes = Bytes::from(message.into_payload());
            assert_eq!(packet::whole(&bytes, MAX_BODY).unwrap().kind, kind);
            bytes
        };
        packet(&mut ws, Kind::Handshake).await;
        ws.send(Message::binary(reply().encode(false).unwrap())).await.unwrap();
        packet(&mut ws, Kind::HandshakeAck).await;
        if let Some(message) = first {
            ws.send(message).await.unwrap();
        } else {
            ws.send(Message::ping("?")).await.unwrap();
            let request = packet(&mut ws, Kind::Data).await;
            let request = message::decode(&request[4..]).unwrap();
            let mut out = BytesMut::new();
            message::encode_response(&mut out, request.id, false, request.body, &Compression::Off).unwrap();
            ws.send(Message::binary(out.freeze())).await.unwrap();
        }
        while let Some(Ok(message)) = ws.next().await {
            assert!(!message.is_binary(), "{message:?}");
        }
    }

    #[tokio::test]
    async fn websocket_carries_a_client_one_packet_a_message() {
        let (listener, address) = listen().await;
        let server = async { serve(listener.accept().await.unwrap().0, None).await };
        let client = async {
            let url = format!("ws://{address}/game?x=1");
            use_it(Client::builder().connect_ws(&url).await.unwrap()).await;
        };
        tokio::join!(server, client);
    }

    #[cfg(feature = "tls")]
    #[tokio::test]
    async fn websocket_goes_over_tls() {
        let (listener, address) = listen().await;
        let (acceptor, trust) = tls::pair();
        let server = async {
            let stream = listener.accept().await.unwrap().0;
            serve(acceptor.accept(stream).await.unwrap(), None).await;
        };
        let client = async {
            let port = address.rsplit(':').next().unwrap();
            let url = format!("wss://localhost:{port}/game?x=1");
            use_it(Client::builder().connect_wss(&url, trust).await.unwrap()).await;
        };
        tokio::join!(server, client);
    }

    #[tokio::test]
    async fn message_of_several_packets_closes() {
        for bytes in [&b"\x03\0\0"[..], b"\x03\0\0\0\x03\0\0\0", b"\x03\0\0\x01", b""] {
            let (listener, address) = listen().await;
            let first = Some(Message::binary(Bytes::from_static(bytes)));
            let server = async { serve(listener.accept().await.unwrap().0, first).await };
            let client = async {
                let url = format!("ws://{address}/game?x=1");
                let client = Client::builder().connect_ws(&url).await.unwrap();
                assert_eq!(client.closed().await.reason, CloseReason::Protocol, "{bytes:?}");
            };
            tokio::join!(server, client);
        }
    }

    /// Shakes hands as a server, kicks if asked to, and closes with a code, or waits for the client to go.
    async fn part(stream: tokio::net::TcpStream, kick: bool, code: Option<u16>) {
        let (_, mut ws) = ServerBuilder::new().accept(stream).await.unwrap();
        ws.next().await.unwrap().unwrap();
        ws.send(Message::binary(reply().encode(false).unwrap())).await.unwrap();
        ws.next().await.unwrap().unwrap();
        if kick {
            ws.send(Message::binary(Bytes::from_static(&packet::KICK))).await.unwrap();
        }
        if let Some(code) = code {
            ws.send(Message::close(Some(code.try_into().unwrap()), "why")).await.unwrap();
        }
        while let Some(Ok(_)) = ws.next().await {}
    }

    #[tokio::test]
    async fn the_code_of_a_close_frame_is_a_reason() {
        for (kick, code, reason) in [
            (false, 1000, CloseReason::ServerClosed),
            (false, 1001, CloseReason::ServerStopped),
            (false, 1002, CloseReason::Rejected),
            (false, 1008, CloseReason::Rejected),
            (false, 1009, CloseReason::TooLarge),
            (false, 1011, CloseReason::ServerClosed),
            (false, 1012, CloseReason::ServerStopped),
            (false, 4000, CloseReason::Kicked),
            (true, 4000, CloseReason::Kicked),
            (false, 4001, CloseReason::Replaced),
            (true, 4001, CloseReason::Replaced),
            (true, 1001, CloseReason::Kicked),
            (false, 4003, CloseReason::TimedOut),
            (false, 4004, CloseReason::TooSlow),
            (false, 4999, CloseReason::ServerClosed),
        ] {
            let (listener, address) = listen().await;
            let server = async { part(listener.accept().await.unwrap().0, kick, Some(code)).await };
            let client = async {
                let client = Client::builder().connect_ws(&format!("ws://{address}")).await.unwrap();
                let closed = client.closed().await;
                assert_eq!((closed.reason, closed.code), (reason, Some(code)), "{closed}");
                assert_eq!(closed.detail, "why");
            };
            tokio::join!(server, client);
        }
    }

    #[tokio::test]
    async fn a_kick_ends_a_client_whose_server_stays() {
        let (listener, address) = listen().await;
        let server = async { part(listener.accept().await.unwrap().0, true, None).await };
        let client = async {
            let client = Client::builder().connect_ws(&format!("ws://{address}")).await.unwrap();
            let closed = client.closed().await;
            assert_eq!((closed.reason, closed.code), (CloseReason::Kicked, None));
        };
        tokio::join!(server, client);
    }

    #[tokio::test]
    async fn close_frame_and_disconnect_are_the_same() {
        for close in [true, false] {
            let (listener, address) = listen().await;
            let server = async {
                let stream = listener.accept().await.unwrap().0;
                let (_, mut ws) = ServerBuilder::new().accept(stream).await.unwrap();
                ws.next().await.unwrap().unwrap();
                ws.send(Message::binary(reply().encode(false).unwrap())).await.unwrap();
                ws.next().await.unwrap().unwrap();
                if close {
                    ws.close().await.unwrap();
                }
            };
            let client = async {
                let client = Client::builder().connect_ws(&format!("ws://{address}")).await.unwrap();
                assert_eq!(client.closed().await.reason, CloseReason::ServerClosed, "{close}");
            };
            tokio::join!(server, client);
        }
    }

    #[tokio::test]
    async fn a_server_that_speaks_no_websocket_is_refused() {
        let (listener, address) = listen().await;
        let server = async {
            let mut stream = listener.accept().await.unwrap().0;
            stream.write_all(b"HTTP/1.1 404 Not Found\r\n\r\n").await.unwrap();
            stream.shutdown().await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        };
        let url = format!("ws://{address}/");
        let builder = Client::builder();
        let (client, ()) = tokio::join!(builder.connect_ws(&url), server);
        assert!(matches!(client.unwrap_err(), ConnectError::Upgrade { status: 404 }));
    }
}
