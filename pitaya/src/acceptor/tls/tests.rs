use rcgen::{CertifiedKey as Made, KeyPair, generate_simple_self_signed};
use std::io;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector, client,
    rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion, version},
};

use super::*;
use crate::acceptor::{
    Acceptor, Link, ListenOptions, OpenError, Tcp,
    tests::{DEADLINE, accept, connect, listen},
};

fn make(name: &str) -> Made<KeyPair> {
    generate_simple_self_signed([name.to_owned()]).unwrap()
}

fn tls(made: &Made<KeyPair>) -> Tls {
    Tls::from_pem(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes()).unwrap()
}

/// Connects as a client that trusts these certificates.
async fn handshake(
    stream: TcpStream,
    trusted: &[&Made<KeyPair>],
    name: &'static str,
    versions: &[&'static SupportedProtocolVersion],
) -> io::Result<client::TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for made in trusted {
        roots.add(made.cert.der().clone()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name).unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await
}

/// The certificate that a client gets who asks for this name and trusts these.
async fn shown(
    acceptor: &mut Tcp,
    address: std::net::SocketAddr,
    trusted: &[&Made<KeyPair>],
    name: &'static str,
) -> io::Result<CertificateDer<'static>> {
    let client = connect(address).await;
    let server = tokio::spawn(accept(acceptor).await.open(DEADLINE));
    let client = handshake(client, trusted, name, &[&version::TLS13]).await;
    let _server = server.await.unwrap();
    let client = client?;
    let (_, session) = client.get_ref();
    Ok(session.peer_certificates().unwrap()[0].clone().into_owned())
}

fn write(folder: &TempDir, made: &Made<KeyPair>) -> (PathBuf, PathBuf) {
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (cert, key)
}

/// A configuration of rustls decides everything; this one speaks TLS 1.2 only.
#[tokio::test]
async fn acceptor_takes_a_rustls_config() {
    let made = make("localhost");
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let mut acceptor = Tcp::new("127.0.0.1:0").tls(config);
    let listening = acceptor.listen(&ListenOptions::default()).await.unwrap();
    assert_eq!(listening.label, "tls");
    for (asked, accepted) in [(&version::TLS12, true), (&version::TLS13, false)] {
        let client = connect(listening.socket.unwrap()).await;
        let server = tokio::spawn(accept(&mut acceptor).await.open(DEADLINE));
        let client = handshake(client, &[&made], "localhost", &[asked]).await;
        assert_eq!((client.is_ok(), server.await.unwrap().is_ok()), (accepted, accepted), "{asked:?}");
    }
}

#[tokio::test]
async fn tls_1_2_and_1_3_carry_bytes_both_ways() {
    let made = make("localhost");
    for (asked, got) in
        [(&version::TLS12, ProtocolVersion::TLSv1_2), (&version::TLS13, ProtocolVersion::TLSv1_3)]
    {
        let mut acceptor = Tcp::new("127.0.0.1:0").tls(tls(&made));
        let listening = acceptor.listen(&ListenOptions::default()).await.unwrap();
        assert_eq!(listening.label, "tls");
        let client = connect(listening.socket.unwrap()).await;
        let server = tokio::spawn(accept(&mut acceptor).await.open(DEADLINE));
        let mut client = handshake(client, &[&made], "localhost", &[asked]).await.unwrap();
        assert_eq!(client.get_ref().1.protocol_version(), Some(got));
        let Link::Bytes(mut server) = server.await.unwrap().unwrap().link else {
            panic!("expected a byte stream");
        };
        let mut buffer = [0; 4];
        client.write_all(b"ping").await.unwrap();
        server.read_exact(&mut buffer).await.unwrap();
        server.write_all(b"pong").await.unwrap();
        server.flush().await.unwrap();
        client.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"pong");
    }
}

#[tokio::test]
async fn the_proxy_header_comes_before_tls() {
    let made = make("localhost");
    let mut acceptor =
        Tcp::new("127.0.0.1:0").tls(tls(&made)).proxy_protocol(true).trusted_proxies(["127.0.0.1"]);
    let mut client = connect(listen(&mut acceptor).await).await;
    let server = tokio::spawn(accept(&mut acceptor).await.open(DEADLINE));
    client.write_all(b"PROXY TCP4 203.0.113.7 10.0.0.1 40520 3250\r\n").await.unwrap();
    handshake(client, &[&made], "localhost", &[&version::TLS13]).await.unwrap();
    let opened = server.await.unwrap().unwrap();
    assert_eq!(opened.peer.address(), "203.0.113.7:40520");
}

#[tokio::test]
async fn non_tls_is_refused_and_stall_blocks_no_client() {
    let made = make("localhost");
    let mut acceptor = Tcp::new("127.0.0.1:0").tls(tls(&made));
    let address = listen(&mut acceptor).await;
    let _silent = connect(address).await;
    let stalled = tokio::spawn(accept(&mut acceptor).await.open(DEADLINE));

    let mut plain = connect(address).await;
    plain.write_all(b"\x01\0\0\x02{} is a handshake").await.unwrap();
    let refused = accept(&mut acceptor).await.open(DEADLINE).await;
    assert!(matches!(refused, Err(OpenError::Tls(_))));

    let quick = connect(address).await;
    let server = tokio::spawn(accept(&mut acceptor).await.open(DEADLINE));
    handshake(quick, &[&made], "localhost", &[&version::TLS13]).await.unwrap();
    server.await.unwrap().unwrap();
    assert!(!stalled.is_finished());
    stalled.abort();
}

/// A client without a matching name gets the first certificate.
#[tokio::test]
async fn certificate_is_chosen_by_server_name() {
    let (one, two) = (make("one.example"), make("two.example"));
    let both = tls(&one).and(&tls(&two));
    let mut acceptor = Tcp::new("127.0.0.1:0").tls(both);
    let address = listen(&mut acceptor).await;
    let trusted = [&one, &two];
    let first = shown(&mut acceptor, address, &trusted, "one.example").await.unwrap();
    assert_eq!(&first, one.cert.der());
    let second = shown(&mut acceptor, address, &trusted, "two.example").await.unwrap();
    assert_eq!(&second, two.cert.der());
    // the first is shown, which is not for this name
    assert!(shown(&mut acceptor, address, &trusted, "three.example").await.is_err());
}

#[tokio::test]
async fn reload_affects_new_handshakes_only() {
    let (old, new) = (make("localhost"), make("localhost"));
    let folder = TempDir::new().unwrap();
    let (cert, key) = write(&folder, &old);
    let tls = Tls::from_pem_files(&cert, &key).unwrap();
    let mut acceptor = Tcp::new("127.0.0.1:0").tls(tls.clone());
    let address = listen(&mut acceptor).await;
    let trusted = [&old, &new];

    let client = connect(address).await;
    let server = tokio::spawn(accept(&mut acceptor).await.open(DEADLINE));
    let mut client = handshake(client, &trusted, "localhost", &[&version::TLS13]).await.unwrap();
    write(&folder, &new);
    tls.reload().unwrap();
    let after = shown(&mut acceptor, address, &trusted, "localhost").await.unwrap();
    assert_eq!(&after, new.cert.der());

    let Link::Bytes(mut server) = server.await.unwrap().unwrap().link else {
        panic!("expected a byte stream");
    };
    client.write_all(b"!").await.unwrap();
    assert_eq!(server.read_u8().await.unwrap(), b'!');
}

#[tokio::test]
async fn broken_file_keeps_old_certificate() {
    let old = make("localhost");
    let folder = TempDir::new().unwrap();
    let (cert, key) = write(&folder, &old);
    let tls = Tls::from_pem_files(&cert, &key).unwrap();
    let mut acceptor = Tcp::new("127.0.0.1:0").tls(tls.clone());
    let address = listen(&mut acceptor).await;

    fs::write(&cert, "not PEM").unwrap();
    assert_eq!(tls.reload().unwrap_err().file(), Some(&*cert));
    let other = make("localhost");
    fs::write(&cert, other.cert.pem()).unwrap();
    let error = tls.reload().unwrap_err();
    assert_eq!(error.file(), Some(&*key));
    assert!(error.to_string().contains("does not belong"), "{error}");
    fs::remove_file(&key).unwrap();
    assert_eq!(tls.reload().unwrap_err().file(), Some(&*key));

    let still = shown(&mut acceptor, address, &[&old], "localhost").await.unwrap();
    assert_eq!(&still, old.cert.der());
}

#[tokio::test]
async fn certificates_from_memory_are_exchanged_by_replace() {
    let (old, new) = (make("localhost"), make("localhost"));
    let tls = tls(&old);
    tls.reload().unwrap();
    let key = PrivateKeyDer::try_from(new.signing_key.serialize_der()).unwrap();
    let ready = Tls::from_certified(vec![new.cert.der().clone()], key).unwrap();
    let mut acceptor = Tcp::new("127.0.0.1:0").tls(tls.clone());
    let address = listen(&mut acceptor).await;
    tls.replace(&ready);
    let after = shown(&mut acceptor, address, &[&old, &new], "localhost").await.unwrap();
    assert_eq!(&after, new.cert.der());
}

/// Files that are empty, missing or swapped.
#[test]
fn bad_certificate_files_are_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let (cert, key) = write(&folder, &make("localhost"));
    let empty = Tls::from_pem_files("", &key).unwrap_err();
    assert!(empty.to_string().contains("certificate file is empty"), "{empty}");
    let empty = Tls::from_pem_files(&cert, "").unwrap_err();
    assert!(empty.to_string().contains("key file is empty"), "{empty}");
    let missing = folder.path().join("missing.pem");
    let error = Tls::from_pem_files(&cert, &missing).unwrap_err();
    assert!(error.to_string().contains("missing.pem"), "{error}");
    let error = Tls::from_pem_files(&key, &cert).unwrap_err();
    assert_eq!(error.file(), Some(&*key));
    assert!(Tls::from_certified(Vec::new(), PrivateKeyDer::Pkcs8(vec![1].into())).is_err());
}
