//! The certificates that a client trusts.

use std::fmt;
use std::sync::Arc;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsConnector, rustls};

use super::close::ConnectError;
use crate::util::pem;

/// The TLS of a client: the authorities it trusts, or a [`ClientConfig`] of rustls 0.23.
///
/// There is no built-in list of public authorities. A [`ClientConfig`] may have one.
///
/// ```no_run
/// use pitaya::client::Tls;
/// let tls = Tls::trust_pem(&std::fs::read("ca.pem")?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Trusts only the certificates of a PEM file: an authority's, or a self-signed one of the server.
    ///
    /// A self-signed one must not be an authority (`basicConstraints=critical,CA:FALSE`). `openssl req -x509` makes an
    /// authority unless `-addext` says otherwise.
    ///
    /// # Errors
    /// [`ConnectError::Io`] of kind `InvalidData` if the text has no certificate, or an invalid one.
    pub fn trust_pem(pem: &[u8]) -> Result<Self, ConnectError> {
        let mut roots = RootCertStore::empty();
        for certificate in pem::certificates(pem).map_err(invalid)? {
            roots.add(certificate).map_err(invalid)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(invalid)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    pub(super) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        server_name: &str,
        stream: S,
    ) -> Result<TlsStream<S>, ConnectError> {
        let name = ServerName::try_from(server_name.to_owned())
            .map_err(|e| ConnectError::Address(format!("{server_name}: {e}")))?;
        Ok(TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await?)
    }
}

fn invalid(error: impl Into<crate::error::BoxError>) -> ConnectError {
    ConnectError::Io(std::io::Error::new(std::io::ErrorKind::InvalidData, error))
}

impl From<ClientConfig> for Tls {
    fn from(config: ClientConfig) -> Self {
        Self(Arc::new(config))
    }
}

impl From<Arc<ClientConfig>> for Tls {
    fn from(config: Arc<ClientConfig>) -> Self {
        Self(config)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}
