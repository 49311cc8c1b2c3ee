//! What a client trusts.

use std::fmt;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsConnector, rustls};

use super::close::ConnectError;

/// How a client checks a server's certificate: the authorities it trusts, or a whole rustls configuration.
///
/// There is no built-in list of public authorities; for one, build a [`ClientConfig`] with a crate that has it.
///
/// ```no_run
/// use pitaya::client::Tls;
/// let tls = Tls::trust_pem(&std::fs::read("ca.pem")?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Trusts the certificates of a PEM file, and no others: an authority's, or a self-signed server's own. The latter
    /// must be one of a server and not of an authority (`basicConstraints=critical,CA:FALSE`), which is not what
    /// `openssl req -x509` makes unless it is told so with `-addext`.
    ///
    /// # Errors
    /// [`ConnectError::Io`], of kind `InvalidData`, if the text has no certificate or one that cannot be read.
    pub fn trust_pem(pem: &[u8]) -> Result<Self, ConnectError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.add(certificate.map_err(invalid)?).map_err(invalid)?;
        }
        if roots.is_empty() {
            return Err(invalid("no certificate"));
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
