//! TLS to Redis, where the feature `tls` is on.

#[cfg(feature = "tls")]
pub(crate) use with::Tls;
#[cfg(not(feature = "tls"))]
pub(crate) use without::Tls;

#[cfg(feature = "tls")]
mod with {
    use std::path::Path;
    use std::sync::Arc;

    use rustls_pki_types::ServerName;
    use tokio::net::TcpStream;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::client::TlsStream;
    use tokio_rustls::rustls::{ClientConfig, crypto};

    use crate::error::{Error, Result, code};
    use crate::util::pem;

    /// Checks the certificate of Redis.
    pub(crate) struct Tls {
        connector: TlsConnector,
        name: ServerName<'static>,
    }

    impl Tls {
        /// Trusts the authorities of a PEM file, or those of the system without one.
        pub(crate) fn new(ca_file: Option<&Path>, host: &str) -> Result<Self> {
            let invalid =
                |error: &dyn std::fmt::Display| Error::new(code::INTERNAL, format!("TLS to Redis: {error}"));
            let roots = pem::roots(ca_file).map_err(|error| invalid(&error))?;
            if roots.is_empty() {
                return Err(invalid(&"no certificate of an authority"));
            }
            // Named, because the default provider of the process is another crate's choice.
            let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| invalid(&error))?
                .with_root_certificates(roots)
                .with_no_client_auth();
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let name = ServerName::try_from(host.to_owned()).map_err(|error| invalid(&error))?;
            Ok(Self { connector: Arc::new(config).into(), name })
        }

        pub(crate) async fn connect(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
            self.connector.connect(self.name.clone(), stream).await
        }
    }
}

#[cfg(not(feature = "tls"))]
mod without {
    use std::convert::Infallible;
    use std::path::Path;

    use tokio::net::TcpStream;

    use crate::error::{Error, Result, code};

    /// A TLS that does not exist.
    pub(crate) struct Tls(Infallible);

    impl Tls {
        pub(crate) fn new(_ca_file: Option<&Path>, _host: &str) -> Result<Self> {
            Err(Error::new(code::INTERNAL, "TLS to Redis needs the feature `tls`"))
        }

        #[expect(clippy::unused_async, reason = "as with the feature `tls`")]
        pub(crate) async fn connect(&self, _stream: TcpStream) -> std::io::Result<TcpStream> {
            match self.0 {}
        }
    }
}
