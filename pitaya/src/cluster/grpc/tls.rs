//! TLS between servers.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::address;
use super::options::GrpcTls;
use crate::util::pem;

/// The protocol that both sides name in the handshake.
const ALPN: &[u8] = b"h2";

/// Encrypts connections to other servers.
#[derive(Clone)]
pub(super) struct ClientTls {
    connector: TlsConnector,
    server_name: Option<Arc<str>>,
}

/// Encrypts connections of other servers.
#[derive(Clone)]
pub(super) struct ServerTls(TlsAcceptor);

impl ClientTls {
    /// Connects. The certificate must be for the configured name, or else for the host of the address.
    pub(super) async fn connect(
        &self,
        address: &str,
        stream: TcpStream,
    ) -> Result<client::TlsStream<TcpStream>, String> {
        let name = self.server_name.as_deref().unwrap_or_else(|| address::host(address));
        let name = ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
        self.connector.connect(name, stream).await.map_err(|error| error.to_string())
    }
}

impl ServerTls {
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<server::TlsStream<TcpStream>> {
        self.0.accept(stream).await
    }
}

/// Reads the files.
///
/// # Errors
/// A file is missing or invalid. The text names it.
pub(super) fn read(tls: &GrpcTls) -> Result<(ClientTls, ServerTls), String> {
    let roots = pem::roots_of(&tls.ca_file)?;
    let chain = pem::certificates_of(&tls.cert_file)?;
    let key = pem::private_key_of(&tls.key_file)?;
    let (roots, provider) = (Arc::new(roots), Arc::new(ring::default_provider()));
    let wrong = |error: rustls::Error| at(&tls.cert_file, &error);
    let client = client(&roots, &provider, chain.clone(), key.clone_key()).map_err(wrong)?;
    let server = server(tls, roots, &provider, chain, key)?;
    Ok((
        ClientTls {
            connector: TlsConnector::from(Arc::new(client)),
            server_name: tls.server_name.as_deref().map(Arc::from),
        },
        ServerTls(TlsAcceptor::from(Arc::new(server))),
    ))
}

fn client(
    roots: &Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(Arc::clone(roots))
        .with_client_auth_cert(chain, key)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

fn server(
    tls: &GrpcTls,
    roots: Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, String> {
    let config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let config = if tls.mutual {
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider)).build();
        config.with_client_cert_verifier(verifier.map_err(|error| at(&tls.ca_file, &error))?)
    } else {
        config.with_no_client_auth()
    };
    let mut config = config.with_single_cert(chain, key).map_err(|error| at(&tls.cert_file, &error))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

fn at(file: &Path, error: &dyn std::fmt::Display) -> String {
    format!("`{}`: {error}", file.display())
}
