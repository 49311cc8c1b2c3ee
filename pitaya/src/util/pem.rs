//! Reads certificates and private keys from PEM.

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

#[cfg(any(feature = "nats", feature = "grpc", feature = "worker"))]
pub(crate) use files::*;

/// Reads the certificates of a text. There is at least one.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|error| error.to_string())?;
    if all.is_empty() { Err("it has no certificate".to_owned()) } else { Ok(all) }
}

/// Reads a private key: PKCS#8, PKCS#1 or SEC1.
pub(crate) fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| format!("it has no private key: {error}"))
}

/// Reading from files. The text of an error names the file.
#[cfg(any(feature = "nats", feature = "grpc", feature = "worker"))]
mod files {
    use std::fmt::Display;
    use std::fs;
    use std::path::Path;

    #[cfg(not(feature = "tls"))]
    use async_nats::rustls::RootCertStore;
    use rustls_pki_types::CertificateDer;
    #[cfg(any(feature = "nats", feature = "grpc"))]
    use rustls_pki_types::PrivateKeyDer;
    #[cfg(feature = "tls")]
    use tokio_rustls::rustls::RootCertStore;

    /// Reads the certificates of a file. There is at least one.
    pub(crate) fn certificates_of(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
        read(file).and_then(|pem| super::certificates(&pem).map_err(|error| at(file, &error)))
    }

    /// Reads the private key of a file.
    #[cfg(any(feature = "nats", feature = "grpc"))]
    pub(crate) fn private_key_of(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
        read(file).and_then(|pem| super::private_key(&pem).map_err(|error| at(file, &error)))
    }

    /// Reads the authorities of a file.
    pub(crate) fn roots_of(file: &Path) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates_of(file)? {
            roots.add(certificate).map_err(|error| at(file, &error))?;
        }
        Ok(roots)
    }

    /// Reads the authorities of a file, or those of the system without one.
    #[cfg(any(feature = "nats", feature = "worker"))]
    pub(crate) fn roots(file: Option<&Path>) -> Result<RootCertStore, String> {
        let Some(file) = file else {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            return Ok(roots);
        };
        roots_of(file)
    }

    fn read(file: &Path) -> Result<Vec<u8>, String> {
        fs::read(file).map_err(|error| at(file, &error))
    }

    fn at(file: &Path, error: &dyn Display) -> String {
        format!("`{}`: {error}", file.display())
    }
}
