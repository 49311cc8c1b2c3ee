//! The trace of a simulation.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::util::fnv;

/// All messages between the servers of a [`Cluster`](super::Cluster) until now with their fate, and all changes of
/// discovery, with virtual times, in order. Its text has one line for each.
///
/// Two runs of one seed have the same trace. If they do not, the first different line shows where to look.
///
/// ```standalone_crate
/// # use pitaya::prelude::*;
/// # #[derive(Component)] pub struct Hall;
/// # #[handler(server = "hall")] impl Hall { pub async fn echo(&self, body: Bytes) -> Result<Bytes> { Ok(body) } }
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> pitaya::Result<()> {
/// let cluster = pitaya::testing::Cluster::seeded(7);
/// cluster.backend("hall", |app| app).await?;
/// cluster.backend("hall", |app| app).await?;
/// let trace = cluster.trace();
/// assert_eq!(trace.to_string().lines().next(), Some("0.000000 hall-1 learns of +hall-1"));
/// assert_eq!(trace.hash(), cluster.trace().hash());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Trace {
    lines: Vec<Arc<str>>,
    hash: u64,
}

impl Default for Trace {
    fn default() -> Self {
        Self { lines: Vec::new(), hash: fnv::hash([]) }
    }
}

impl Trace {
    /// Returns a hash of the lines, the same in any process and build.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Returns the lines.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|line| &**line)
    }

    pub(super) fn write(&mut self, at: Duration, what: fmt::Arguments<'_>) {
        let line = format!("{}.{:06} {what}", at.as_secs(), at.subsec_micros());
        self.hash = fnv::extend(self.hash, line.bytes().chain(*b"\n"));
        self.lines.push(line.into());
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// The FNV-1a hash of a message's bytes.
pub(super) fn digest(bytes: &[u8]) -> u64 {
    fnv::hash(bytes.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_depends_only_on_lines_and_their_order() {
        let trace = |lines: &[&str]| {
            let mut trace = Trace::default();
            lines
                .iter()
                .for_each(|line| trace.write(Duration::from_micros(1_000_002), format_args!("{line}")));
            trace
        };
        assert_eq!(trace(&["a", "b"]).to_string(), "1.000002 a\n1.000002 b\n");
        assert_eq!(trace(&["a", "b"]).hash(), trace(&["a", "b"]).hash());
        assert_ne!(trace(&["a", "b"]).hash(), trace(&["b", "a"]).hash());
        assert_eq!(trace(&["a"]).hash(), 0x7746_f51c_78e0_8d5b, "whatever builds it");
    }
}
