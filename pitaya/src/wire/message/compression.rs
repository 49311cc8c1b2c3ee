//! Whether bodies are deflated.

/// Whether bodies are deflated. A body is sent deflated only if that makes it strictly shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Never.
    Off,
    /// Where it helps.
    On {
        /// Bodies of fewer bytes are not even tried.
        threshold: usize,
    },
}

impl Default for Compression {
    /// On, from 128 bytes: below, the deflater costs more than it saves.
    fn default() -> Self {
        Self::On { threshold: 128 }
    }
}

impl Compression {
    #[inline]
    pub(super) const fn tries(self, len: usize) -> bool {
        match self {
            Self::Off => false,
            Self::On { threshold } => len >= threshold,
        }
    }
}
