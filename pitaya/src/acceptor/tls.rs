//! TLS certificates: from files or memory, chosen by server name, replaced without a restart.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    self, ServerConfig,
    client::verify_server_name,
    crypto::{CryptoProvider, ring},
    server::{ClientHello, ParsedCertificate, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::error::{Error, code};
use crate::util::pem;

/// The certificate chains of an acceptor, with their keys. It serves TLS 1.2 and 1.3.
///
/// With several chains, a client gets the first whose names cover the server name it asks for. It gets the first chain if
/// no name matches, or if it asks for none. Clones share the certificates, so that any clone reloads them for all acceptors.
///
/// A program that needs more, such as client certificates, gives the acceptor a [`rustls::ServerConfig`] instead.
///
/// # Example
/// ```no_run
/// use pitaya::acceptor::{Tcp, Tls, WebSocket};
///
/// # fn main() -> Result<(), pitaya::acceptor::TlsError> {
/// let tls = Tls::from_pem_files("fullchain.pem", "key.pem")?;
/// let tcp = Tcp::new("0.0.0.0:3250").tls(tls.clone());
/// # #[cfg(feature = "websocket")]
/// let wss = WebSocket::new("0.0.0.0:3251").tls(tls.clone());
/// // later, when the files are new:
/// tls.reload()?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    chosen: Arc<Chosen>,
}

/// A chain with its key, and their files.
#[derive(Clone)]
struct Identity {
    key: Arc<CertifiedKey>,
    files: Option<(PathBuf, PathBuf)>,
}

/// Chooses an identity for each handshake. The list is replaced as a whole.
struct Chosen {
    identities: ArcSwap<Vec<Identity>>,
}

impl Tls {
    /// Reads a certificate chain and its private key (PKCS#8, PKCS#1 or SEC1) from PEM files.
    ///
    /// The server's own certificate is the first of the chain.
    ///
    /// # Errors
    /// A file is missing, unreadable or invalid, or its name is empty. [`TlsError`] names the file.
    pub fn from_pem_files(cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, TlsError> {
        Self::new(Identity::from_files(cert.into(), key.into())?)
    }

    /// Reads a certificate chain and its private key from PEM text.
    ///
    /// # Errors
    /// The text holds no certificate or no key, or the key does not belong to the certificate.
    pub fn from_pem(cert: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Self::new(Identity::from_pem(cert, key, None)?)
    }

    /// Returns a certificate chain, the server's own certificate first, with its private key.
    ///
    /// # Errors
    /// There is no certificate, or the key does not belong to it.
    pub fn from_certified(
        certs: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsError> {
        Self::new(Identity::certified(certs, key, None)?)
    }

    /// Adds the certificates of `other`, for other server names. All clones get them; `other` does not change.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        let more = other.chosen.identities.load_full();
        self.chosen.identities.rcu(|now| {
            let mut all = Vec::clone(now);
            all.extend(more.iter().cloned());
            all
        });
        self
    }

    /// Reads all files again, for later handshakes. Open connections keep their certificates.
    ///
    /// Certificates from memory stay; see [`replace`](Self::replace). The call blocks while it reads the files.
    ///
    /// # Errors
    /// A file is invalid. The error names it, and no certificate changes.
    pub fn reload(&self) -> Result<(), TlsError> {
        let now = self.chosen.identities.load_full();
        let new = now.iter().map(Identity::read_again);
        let new = new.collect::<Result<Vec<_>, _>>()?;
        self.chosen.identities.store(Arc::new(new));
        Ok(())
    }

    /// Replaces all certificates with those of `new`, for later handshakes.
    pub fn replace(&self, new: &Self) {
        self.chosen.identities.store(new.chosen.identities.load_full());
    }

    fn new(identity: Identity) -> Result<Self, TlsError> {
        let chosen = Arc::new(Chosen { identities: ArcSwap::from_pointee(vec![identity]) });
        // Another crate of the program may enable a second provider. Without a name, rustls would choose none.
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::new(None, error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&chosen) as Arc<dyn ResolvesServerCert>);
        Ok(Self { config: Arc::new(config), chosen })
    }
}

impl From<Tls> for Arc<ServerConfig> {
    fn from(tls: Tls) -> Self {
        tls.config
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let identities = self.chosen.identities.load();
        let files: Vec<_> = identities.iter().map(|one| &one.files).collect();
        f.debug_struct("Tls").field("files", &files).finish_non_exhaustive()
    }
}

impl Identity {
    fn from_files(cert: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let (cert_pem, key_pem) = (read(&cert, "certificate")?, read(&key, "key")?);
        Self::from_pem(&cert_pem, &key_pem, Some((cert, key)))
    }

    fn read_again(&self) -> Result<Self, TlsError> {
        match &self.files {
            Some((cert, key)) => Self::from_files(cert.clone(), key.clone()),
            None => Ok(self.clone()),
        }
    }

    fn from_pem(cert: &[u8], key: &[u8], files: Option<(PathBuf, PathBuf)>) -> Result<Self, TlsError> {
        let (cert_file, key_file) = files.clone().unzip();
        let certs = pem::certificates(cert).map_err(|error| TlsError::new(cert_file, error))?;
        let key = pem::private_key(key).map_err(|error| TlsError::new(key_file, error))?;
        Self::certified(certs, key, files)
    }

    fn certified(
        certs: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        files: Option<(PathBuf, PathBuf)>,
    ) -> Result<Self, TlsError> {
        let provider: CryptoProvider = ring::default_provider();
        let key = CertifiedKey::from_der(certs, key, &provider).map_err(|error| {
            let key_file = files.as_ref().map(|(_, key)| key.clone());
            TlsError::new(key_file, explain(&error))
        })?;
        Ok(Self { key: Arc::new(key), files })
    }

    /// Returns whether the certificate covers this name.
    fn is_for(&self, name: &ServerName<'_>) -> bool {
        let Ok(cert) = self.key.end_entity_cert() else {
            return false;
        };
        ParsedCertificate::try_from(cert).is_ok_and(|cert| verify_server_name(&cert, name).is_ok())
    }
}

fn explain(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => "the private key does not belong to the certificate".into(),
        other => other.to_string(),
    }
}

fn read(file: &Path, what: &str) -> Result<Vec<u8>, TlsError> {
    if file.as_os_str().is_empty() {
        let reason = format!("the name of the {what} file is empty");
        return Err(TlsError::new(None, reason));
    }
    fs::read(file).map_err(|error| TlsError::new(Some(file.into()), error.to_string()))
}

impl ResolvesServerCert for Chosen {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let identities = self.identities.load();
        let first = identities.first()?;
        let name = hello
            .server_name()
            .filter(|_| identities.len() > 1)
            .and_then(|name| ServerName::try_from(name).ok());
        let Some(name) = name else {
            return Some(Arc::clone(&first.key));
        };
        let schemes = hello.signature_schemes();
        let fits = |one: &&Identity| one.is_for(&name) && one.key.key.choose_scheme(schemes).is_some();
        let chosen = identities.iter().find(fits).unwrap_or(first);
        Some(Arc::clone(&chosen.key))
    }
}

impl fmt::Debug for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chosen").finish_non_exhaustive()
    }
}

/// The reason why certificates cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsError {
    file: Option<PathBuf>,
    reason: String,
}

impl TlsError {
    fn new(file: Option<PathBuf>, reason: impl Into<String>) -> Self {
        Self { file, reason: reason.into() }
    }

    /// Returns the invalid file, if the certificates come from files.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TLS certificates: ")?;
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for TlsError {}

impl From<TlsError> for Error {
    fn from(error: TlsError) -> Self {
        Self::new(code::INTERNAL, error.to_string()).with_source(error)
    }
}

#[cfg(test)]
mod tests;
