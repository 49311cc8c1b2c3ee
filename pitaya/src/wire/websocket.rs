//! The keys of a WebSocket upgrade, for both sides (RFC 6455, section 4).

use base64::{Engine, engine::general_purpose::STANDARD};

/// The suffix for the key of a request, by the RFC.
const SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Returns the value of `Sec-WebSocket-Accept` for a key.
pub(crate) fn accept_key(key: &str) -> String {
    let mut hash = sha1_smol::Sha1::new();
    hash.update(key.as_bytes());
    hash.update(SUFFIX);
    STANDARD.encode(hash.digest().bytes())
}

/// Returns a random key for a request. It is not a secret: it only proves that the server speaks WebSocket.
pub(crate) fn random_key() -> String {
    STANDARD.encode(fastrand::u128(..).to_be_bytes())
}

/// The methods of `AsyncWrite` that a wrapper with a field `stream` forwards as they are.
macro_rules! forward_flush_and_shutdown {
    () => {
        fn poll_flush(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::pin::Pin::new(&mut self.stream).poll_flush(cx)
        }

        fn poll_shutdown(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::pin::Pin::new(&mut self.stream).poll_shutdown(cx)
        }

        fn is_write_vectored(&self) -> bool {
            self.stream.is_write_vectored()
        }
    };
}

pub(crate) use forward_flush_and_shutdown;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_rfc_has_its_answer() {
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(random_key().len(), 24);
    }
}
