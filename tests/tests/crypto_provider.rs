//! TLS in a program whose crates enable two providers of cryptography: nothing asks for the default one of the process.
//!
//! Such a program has no default provider, and asking for it panics. Here it has one that cannot do anything, with
//! which asking panics too; so no second provider has to be built.

use std::sync::Arc;

use pitaya::acceptor::Tls;
use pitaya::client;
use pitaya::cluster::{NatsOptions, NatsTls, Server, Transport as _};
use pitaya_tests::nats::{Nats, transport_with};
use pitaya_tests::transport::Peer;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A certificate of `127.0.0.1` and its key, both PEM, and that of the authority.
fn certificate() -> (String, String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["ours".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem(), authority)
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn no_default_crypto_provider_is_needed() {
    let useless =
        CryptoProvider { cipher_suites: Vec::new(), kx_groups: Vec::new(), ..ring::default_provider() };
    useless.install_default().unwrap();
    let asked = || ClientConfig::builder().with_root_certificates(RootCertStore::empty());
    assert!(std::panic::catch_unwind(asked).is_err(), "asking for the default is noticed");

    let (cert, key, authority) = certificate();
    Tls::from_pem(cert.as_bytes(), key.as_bytes()).unwrap();
    client::Tls::trust_pem(authority.as_bytes()).unwrap();

    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let (cert, key) = (write("server.pem", &cert), write("server.key", &key));
    let ca_file = Some(write("ca.pem", &authority));
    let args = ["--tls", "--tlscert", cert.to_str().unwrap(), "--tlskey", key.to_str().unwrap()];
    let nats = Nats::start_with("", &args).await;
    let peer = |change: &dyn Fn(&mut NatsOptions)| Peer {
        server: Server::new("front", "front-1").frontend(true),
        recorder: Arc::default(),
        transport: transport_with(&nats, |options| {
            options.first_connect_retries = 0;
            change(options);
        }),
    };
    // Nothing here says that the broker demands TLS. The system does not trust its authority.
    let error = peer(&|_| {}).begin().await.unwrap_err().to_string();
    assert!(error.contains("(1 tries)"), "{error}");
    let trusting = peer(&|options| options.tls = NatsTls { ca_file: ca_file.clone(), ..NatsTls::default() });
    trusting.begin().await.unwrap();
    assert_eq!(trusting.ask(&trusting.server, "hello").await, Ok("hello".into()));
    trusting.transport.close().await;
}
