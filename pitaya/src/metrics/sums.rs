//! A count and a sum that several threads add to.

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The number of parts: one for each thread that runs in parallel, at most 8.
static SHARDS: LazyLock<usize> =
    LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from).next_power_of_two().min(8));

/// Returns the number of this thread.
fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed));
    }
    MINE.get()
}

/// A count and a sum. Threads write to separate parts, so that they do not share a cache line.
pub(super) struct Sums(Box<[Shard]>);

#[derive(Default)]
#[repr(align(64))]
struct Shard {
    count: AtomicU64,
    /// The bits of an `f64`.
    sum: AtomicU64,
}

impl Sums {
    /// Returns sums for values that many threads record.
    pub(super) fn sharded() -> Self {
        Self((0..*SHARDS).map(|_| Shard::default()).collect())
    }

    /// Returns sums for values that are recorded rarely.
    pub(super) fn single() -> Self {
        Self([Shard::default()].into())
    }

    /// Adds `times` values, whose sum is `sum`.
    #[inline]
    pub(super) fn add(&self, sum: f64, times: u64) {
        if let Some(shard) = self.shard() {
            shard.count.fetch_add(times, Ordering::Relaxed);
            add(&shard.sum, sum);
        }
    }

    /// Adds values, whose sum is `sum`, without counting them.
    #[inline]
    #[cfg(feature = "prometheus")]
    pub(super) fn add_uncounted(&self, sum: f64) {
        if let Some(shard) = self.shard() {
            add(&shard.sum, sum);
        }
    }

    /// Returns the part of this thread. The number of parts is a power of two.
    #[inline]
    fn shard(&self) -> Option<&Shard> {
        self.0.get(shard() & self.0.len().wrapping_sub(1))
    }

    /// Returns the number of values.
    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|shard| shard.count.load(Ordering::Relaxed)).sum()
    }

    /// Returns the sum of all values.
    pub(super) fn sum(&self) -> f64 {
        self.0.iter().map(|shard| f64::from_bits(shard.sum.load(Ordering::Relaxed))).sum()
    }
}

/// Adds to an `f64` that is stored as its bits.
#[inline]
pub(super) fn add(bits: &AtomicU64, amount: f64) {
    let mut old = bits.load(Ordering::Relaxed);
    while let Err(now) = bits.compare_exchange_weak(
        old,
        (f64::from_bits(old) + amount).to_bits(),
        Ordering::Relaxed,
        Ordering::Relaxed,
    ) {
        old = now;
    }
}
