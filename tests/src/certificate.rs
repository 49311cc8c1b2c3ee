//! [`Certificate`]: a self-signed certificate, in memory and as files.

use std::path::PathBuf;

use tempfile::TempDir;

/// A self-signed certificate.
#[derive(Debug)]
pub struct Certificate {
    folder: TempDir,
    /// The certificate, as PEM.
    pub cert: String,
    /// Its key, as PEM.
    pub key: String,
}

impl Certificate {
    /// Makes one for these names.
    ///
    /// # Panics
    /// If a name is invalid, or the files cannot be written.
    #[must_use]
    pub fn of(names: &[&str]) -> Self {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).expect("valid names");
        let folder = tempfile::tempdir().expect("a folder");
        let made = Self { folder, cert: made.cert.pem(), key: made.signing_key.serialize_pem() };
        std::fs::write(made.cert_file(), &made.cert).expect("the certificate is written");
        std::fs::write(made.key_file(), &made.key).expect("the key is written");
        made
    }

    /// Returns the file of the certificate. It is removed when this is dropped.
    #[must_use]
    pub fn cert_file(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// Returns the file of the key.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }
}
