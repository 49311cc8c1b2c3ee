//! Certificates: from files or memory, chosen by server name, exchanged without a restart.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        client::verify_server_name,
        crypto::{CryptoProvider, ring},
        server::{ClientHello, ParsedCertificate, ResolvesServerCert},
        sign::CertifiedKey,
    },
    server::TlsStream,
};

use crate::error::{Error, code};

/// What an acceptor needs to speak TLS 1.2 and 1.3: one certificate chain with its key, or several.
///
/// With several, a client gets the first whose names cover the server name it asks for, and the first of all if none does or it
/// asks for none. A clone is a handle to the same certificates, so the one that is kept reloads them for all acceptors that have
/// the other.
///
/// # Example
/// ```no_run
/// use pitaya::acceptor::{Tcp, Tls, WebSocket};
///
/// # fn main() -> Result<(), pitaya::acceptor::TlsError> {
/// let tls = Tls::from_pem_files("fullchain.pem", "key.pem")?;
/// let tcp = Tcp::bind("0.0.0.0:3250").tls(tls.clone());
/// # #[cfg(feature = "websocket")]
/// let wss = WebSocket::bind("0.0.0.0:3251").tls(tls.clone());
/// // later, when the files are new:
/// tls.reload()?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    chosen: Arc<Chosen>,
}

/// One chain with its key, and where they come from.
#[derive(Clone)]
struct Identity {
    key: Arc<CertifiedKey>,
    files: Option<(PathBuf, PathBuf)>,
}

/// Chooses an identity for each handshake; the list is exchanged as a whole.
struct Chosen {
    identities: ArcSwap<Vec<Identity>>,
}

impl Tls {
    /// Reads a certificate chain, the server's own certificate first, and its private key (PKCS#8, PKCS#1 or SEC1) from PEM files.
    ///
    /// # Errors
    /// [`TlsError`] names the file that is missing, unreadable or not what it should be, also where its name is empty.
    pub fn from_pem_files(cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, TlsError> {
        Self::new(Identity::from_files(cert.into(), key.into())?)
    }

    /// The same from PEM text in memory.
    ///
    /// # Errors
    /// Where the text holds no certificate or no key, or they do not belong together.
    pub fn from_pem(cert: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Self::new(Identity::from_pem(cert, key, None)?)
    }

    /// The same from ready certificates, the server's own first.
    ///
    /// # Errors
    /// Where there is no certificate, or the key is not its key.
    pub fn from_certified(
        certs: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsError> {
        Self::new(Identity::certified(certs, key, None)?)
    }

    /// Adds the certificates of `other`, for other server names. All handles to this one see them; `other` stays as it is.
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

    /// Reads all files again. Handshakes from then on get the new certificates; connections are not touched. What came from memory
    /// stays; see [`replace`](Self::replace). It reads a few small files and blocks as long.
    ///
    /// # Errors
    /// Where one file is broken all stays as it was, and the error names the file.
    pub fn reload(&self) -> Result<(), TlsError> {
        let now = self.chosen.identities.load_full();
        let new = now.iter().map(Identity::read_again);
        let new = new.collect::<Result<Vec<_>, _>>()?;
        self.chosen.identities.store(Arc::new(new));
        Ok(())
    }

    /// Takes the certificates of `new` in place of its own, for handshakes from then on.
    pub fn replace(&self, new: &Self) {
        self.chosen.identities.store(new.chosen.identities.load_full());
    }

    fn new(identity: Identity) -> Result<Self, TlsError> {
        let chosen = Arc::new(Chosen { identities: ArcSwap::from_pointee(vec![identity]) });
        // the provider is named, because another crate of the user's program may enable a second one, and rustls would not choose
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::new(None, error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&chosen) as Arc<dyn ResolvesServerCert>);
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), chosen })
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.acceptor.accept(stream).await
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
        let certs = CertificateDer::pem_slice_iter(cert)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| TlsError::new(cert_file.clone(), error.to_string()))?;
        if certs.is_empty() {
            return Err(TlsError::new(cert_file, "it holds no certificate"));
        }
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| TlsError::new(key_file, format!("it holds no private key: {error}")))?;
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

    /// Whether the certificate is for this name.
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

/// Why certificates cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsError {
    file: Option<PathBuf>,
    reason: String,
}

impl TlsError {
    fn new(file: Option<PathBuf>, reason: impl Into<String>) -> Self {
        Self { file, reason: reason.into() }
    }

    /// The file it is about, if the certificates come from files.
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
