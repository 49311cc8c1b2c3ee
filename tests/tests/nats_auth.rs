//! The transport over NATS: who we are, whom we trust, and what we may.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use pitaya::cluster::{NatsOptions, NatsTls, NatsTransport, Server, Transport, TransportError};
use pitaya_tests::nats::{Nats, transport_with};
use pitaya_tests::transport::Peer;
use pitaya_tests::until;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer};
use serde_json::json;

/// A server whose options are changed a little. It would try to connect for hours.
fn peer(nats: &Nats, change: impl FnOnce(&mut NatsOptions)) -> Peer<NatsTransport> {
    let transport = transport_with(nats, |options| {
        options.reconnect_wait = Duration::from_secs(3600);
        change(options);
    });
    Peer { server: Server::new("front", "front-1").frontend(true), recorder: Arc::default(), transport }
}

async fn works(nats: &Nats, change: impl FnOnce(&mut NatsOptions)) {
    let peer = peer(nats, change);
    peer.begin().await.unwrap();
    assert_eq!(peer.ask(&peer.server, "hello").await, Ok("hello".into()));
    assert!(!format!("{peer:?}").contains("s3cret"));
    peer.transport.close().await;
}

/// It fails, not after hours of tries, with a text in which this is.
async fn fails(nats: &Nats, text: &str, change: impl FnOnce(&mut NatsOptions)) {
    let peer = peer(nats, change);
    let error = peer.begin().await.unwrap_err().to_string();
    assert!(error.contains(text) && !error.contains("s3cret"), "{error}");
}

/// In the options or in the address.
#[tokio::test]
#[ignore = "needs nats-server"]
async fn user_is_known_by_password() {
    let nats = Nats::start_with("", &["--user", "ann", "--pass", "s3cret@:/"]).await;
    works(&nats, |options| {
        (options.user, options.password) = (Some("ann".into()), Some("s3cret@:/".into()));
    })
    .await;
    works(&nats, |options| options.addresses = nats.url_with("ann:s3cret%40%3a%2F@")).await;
    works(&nats, |options| options.addresses = nats.url_with("ann:s3cret@:/@")).await;
    let refused = "authorization violation";
    fails(&nats, refused, |options| options.addresses = nats.url_with("ann:s3cret@")).await;
    fails(&nats, refused, |_| {}).await;
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn a_token_may_be_in_the_options_or_in_the_address() {
    let nats = Nats::start_with("", &["--auth", "s3cret"]).await;
    works(&nats, |options| options.token = Some("s3cret".into())).await;
    works(&nats, |options| options.addresses = nats.url_with("s3cret@")).await;
    fails(&nats, "authorization violation", |options| options.token = Some("s3cret!".into())).await;
}

/// A JWT as the tools of NATS make it.
fn jwt(issuer: &KeyPair, subject: &KeyPair, nats: &serde_json::Value) -> String {
    let head = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let claims = json!({
        "jti": "test", "iat": 1_700_000_000, "iss": issuer.public_key(), "sub": subject.public_key(),
        "name": "test", "nats": nats,
    });
    let text = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let signature = issuer.sign(text.as_bytes()).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn a_credentials_file_says_who_we_are() {
    let (operator, account, user) = (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_user());
    let operator_jwt = jwt(&operator, &operator, &json!({ "type": "operator", "version": 2 }));
    let limits = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1,
        "leaf": -1,
    });
    let account_jwt = jwt(&operator, &account, &json!({ "type": "account", "version": 2, "limits": limits }));
    let user_claims = json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1 });
    let user_jwt = jwt(&account, &user, &user_claims);
    let config = format!(
        "operator: {operator_jwt}\nresolver: MEMORY\nresolver_preload: {{ {}: {account_jwt} }}",
        account.public_key()
    );
    let nats = Nats::start_with(&config, &[]).await;
    let write = |name: &str, seed: String| -> PathBuf {
        let file = nats.dir().join(name);
        let text = format!(
            "-----BEGIN NATS USER JWT-----\n{user_jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        std::fs::write(&file, text).unwrap();
        file
    };
    let good = write("good.creds", user.seed().unwrap());
    let bad = write("bad.creds", KeyPair::new_user().seed().unwrap());
    works(&nats, |options| options.credentials_file = Some(good)).await;
    fails(&nats, "authorization violation", |options| options.credentials_file = Some(bad)).await;
    fails(&nats, "missing.creds", |options| options.credentials_file = Some("missing.creds".into())).await;
    fails(&nats, "authorization violation", |_| {}).await;
}

/// Certificates of one authority, in files.
struct Certificates {
    dir: tempfile::TempDir,
}

impl Certificates {
    fn new() -> Self {
        let authority = |name: &str| {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let cert = params.self_signed(&key).unwrap();
            (cert, Issuer::new(params, key))
        };
        let all = Self { dir: tempfile::tempdir().unwrap() };
        let (cert, issuer) = authority("ours");
        all.write("ca.pem", &cert.pem());
        all.write("stranger.pem", &authority("foreign_peers").0.pem());
        all.write("empty.pem", "");
        for (name, host) in [("server", "127.0.0.1"), ("client", "client")] {
            let key = rcgen::KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
            all.write(&format!("{name}.pem"), &params.signed_by(&key, &issuer).unwrap().pem());
            all.write(&format!("{name}.key"), &key.serialize_pem());
        }
        all
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.file(name), text).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn trusting(&self, ca: &str) -> NatsTls {
        NatsTls { ca_file: Some(self.file(ca)), ..NatsTls::default() }
    }

    /// The arguments of a broker with TLS.
    fn args(&self, more: &[&str]) -> Vec<String> {
        let text = |name: &str| self.file(name).display().to_string();
        let own = ["--tls", "--tlscert", &text("server.pem"), "--tlskey", &text("server.key")];
        own.iter().chain(more).map(|arg| (*arg).to_owned()).collect()
    }
}

async fn broker_with_tls(certificates: &Certificates, more: &[&str]) -> Nats {
    let args = certificates.args(more);
    Nats::start_with("", &args.iter().map(String::as_str).collect::<Vec<_>>()).await
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn broker_with_tls_needs_its_authority() {
    let certificates = Certificates::new();
    let nats = broker_with_tls(&certificates, &[]).await;
    works(&nats, |options| options.tls = certificates.trusting("ca.pem")).await;
    works(&nats, |options| {
        options.addresses = nats.url().replace("nats://", "tls://");
        options.tls = certificates.trusting("ca.pem");
    })
    .await;
    for (file, text) in [("missing.pem", "missing.pem"), ("empty.pem", "has no certificate")] {
        fails(&nats, text, |options| options.tls = certificates.trusting(file)).await;
    }
    // a wrong authority may be that of a broker that is being replaced: it is tried again, for so long
    for tls in [certificates.trusting("stranger.pem"), NatsTls { required: true, ..NatsTls::default() }] {
        fails(&nats, "(1 tries)", |options| {
            options.first_connect_retries = 0;
            options.tls = tls;
        })
        .await;
    }
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn broker_without_tls_is_refused() {
    let nats = Nats::start().await;
    let certificates = Certificates::new();
    fails(&nats, "(1 tries)", |options| {
        options.first_connect_retries = 0;
        options.tls = NatsTls { required: true, ..certificates.trusting("ca.pem") };
    })
    .await;
    fails(&nats, "(1 tries)", |options| {
        options.first_connect_retries = 0;
        options.addresses = nats.url().replace("nats://", "tls://");
    })
    .await;
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn a_broker_may_ask_for_our_certificate() {
    let certificates = Certificates::new();
    let ca = certificates.file("ca.pem").display().to_string();
    let nats = broker_with_tls(&certificates, &["--tlsverify", "--tlscacert", &ca]).await;
    let own = |cert: &str, key: &str| NatsTls {
        cert_file: Some(certificates.file(cert)),
        key_file: Some(certificates.file(key)),
        ..certificates.trusting("ca.pem")
    };
    works(&nats, |options| options.tls = own("client.pem", "client.key")).await;
    fails(&nats, "our certificate and its key", |options| options.tls = own("client.pem", "server.key"))
        .await;
    fails(&nats, "(1 tries)", |options| {
        options.first_connect_retries = 0;
        options.tls = certificates.trusting("ca.pem");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn refused_subscription_is_an_error() {
    for denied in ["pitaya/servers/front/front-1", "pitaya/front/bindings", "pitaya/front/broadcast/front-1"]
    {
        let config = format!(
            "authorization {{ users: [ {{ user: a, password: b, permissions: {{ subscribe: {{ deny: \"{denied}\" }} }} }} ] }}"
        );
        let nats = Nats::start_with(&config, &[]).await;
        fails(&nats, denied, |options| options.addresses = nats.url_with("a:b@")).await;
    }

    let config = "authorization { users: [ { user: a, password: b, permissions: { subscribe: { deny: \
                  \"pitaya/front/user/ann/kick\" } } } ] }";
    let nats = Nats::start_with(config, &[]).await;
    let peer = peer(&nats, |options| options.addresses = nats.url_with("a:b@"));
    peer.begin().await.unwrap();
    // if it is heard in time the user is not served at all
    let served = peer.transport.serve_user("ann").await;
    until("the refusal is counted", || peer.transport.counts().refused_subscriptions > 0).await;
    match served {
        Ok(()) => peer.transport.forget_user("ann"),
        Err(TransportError::Other(text)) => assert!(text.contains("user/ann/kick"), "{text}"),
        Err(error) => panic!("{error}"),
    }
    peer.transport.serve_user("bob").await.unwrap();
    // the other subscription of the user is gone too
    peer.push("ann", "nobody").await.unwrap();
    peer.settled(&peer, "bob").await;
    assert_eq!(peer.recorder.recorded("push"), ["push the last"]);
}
