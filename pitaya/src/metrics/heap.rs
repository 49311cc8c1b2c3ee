//! The memory that a program uses.

use std::fmt;
use std::sync::Arc;

/// The memory that the program's allocator has allocated, for [`Builder::heap`](crate::app::Builder::heap).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heap {
    /// Bytes in use.
    pub bytes: u64,
    /// Live allocations; `None` if the allocator does not count them.
    pub objects: Option<u64>,
}

/// The function that returns the state of the heap.
#[derive(Clone)]
pub(crate) struct HeapSource(Arc<dyn Fn() -> Heap + Send + Sync>);

impl HeapSource {
    pub(crate) fn new(read: impl Fn() -> Heap + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Returns the heap of the program, or else the memory of the process.
    pub(crate) fn read(source: Option<&Self>) -> Option<Heap> {
        match source {
            Some(Self(read)) => Some(read()),
            None => Some(Heap { bytes: anonymous_memory()?, objects: None }),
        }
    }
}

impl fmt::Debug for HeapSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeapSource").finish_non_exhaustive()
    }
}

/// Returns the anonymous resident memory of the process; `None` if the system does not say.
fn anonymous_memory() -> Option<u64> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    parse(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn parse(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anonymous_memory_is_read_in_bytes() {
        assert_eq!(parse("VmRSS:\t    9000 kB\nRssAnon:\t    1234 kB\nRssFile:\t1 kB\n"), Some(1234 * 1024));
        assert_eq!(parse("VmRSS:\t 9000 kB\n"), None);
        assert_eq!(parse("RssAnon:\t 9000\n"), None);
    }

    #[test]
    fn the_programs_figures_replace_those_of_the_process() {
        let heap = Heap { bytes: 7, objects: Some(3) };
        assert_eq!(HeapSource::read(Some(&HeapSource::new(move || heap))), Some(heap));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_memory_of_the_process_grows_with_it() {
        const SIZE: usize = 64 << 20;
        let before = HeapSource::read(None).unwrap().bytes;
        let memory = vec![1u8; SIZE];
        let after = HeapSource::read(None).unwrap();
        assert!(after.bytes >= before + SIZE as u64 / 2 && after.objects.is_none(), "{before} to {after:?}");
        drop(memory);
    }
}
