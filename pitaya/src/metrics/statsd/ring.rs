//! A bounded queue of numbers that many threads write and one reads, without a lock.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The most numbers that wait. A power of two.
pub(super) const SIZE: usize = 1024;
const SIZE_U64: u64 = SIZE as u64;
/// A slot without a number. No finite number has these bits.
const EMPTY: u64 = u64::MAX;

/// A writer to a full queue overwrites the oldest number.
pub(super) struct Ring {
    /// Allocated for the first number.
    slots: OnceLock<Box<[AtomicU64]>>,
    /// The numbers that were written, or are about to be.
    head: AtomicU64,
    /// The numbers that were read or overwritten. Only the reader changes it.
    tail: AtomicU64,
    /// The slot of the last read whose number was about to be written.
    unwritten: AtomicU64,
}

impl Ring {
    pub(super) fn new() -> Self {
        Self {
            slots: OnceLock::new(),
            head: AtomicU64::new(0),
            tail: AtomicU64::new(0),
            unwritten: AtomicU64::new(u64::MAX),
        }
    }

    /// Adds a finite number `times` times. Returns whether the queue is half full since the last number.
    #[inline]
    pub(super) fn push(&self, value: f64, times: u64) -> bool {
        let slots = self.slots.get_or_init(|| (0..SIZE).map(|_| AtomicU64::new(EMPTY)).collect());
        let first = self.head.fetch_add(times, Ordering::Relaxed);
        // More than fit would only overwrite each other.
        for at in first + times.saturating_sub(SIZE_U64)..first + times {
            if let Some(slot) = slots.get(slot(at)) {
                slot.store(value.to_bits(), Ordering::Release);
            }
        }
        (first ^ (first + times)) & !(SIZE_U64 / 2 - 1) != 0
    }

    /// Takes all numbers, for one reader at a time. Returns the number of overwritten ones.
    pub(super) fn drain(&self, mut take: impl FnMut(f64)) -> u64 {
        let Some(slots) = self.slots.get() else { return 0 };
        let head = self.head.load(Ordering::Acquire);
        let mut at = self.tail.load(Ordering::Relaxed);
        let mut lost = head.saturating_sub(at).saturating_sub(SIZE_U64);
        at += lost;
        while at < head {
            let Some(slot) = slots.get(slot(at)) else { break };
            match slot.swap(EMPTY, Ordering::AcqRel) {
                // The writer has the slot and is about to write. It gets until the next read.
                EMPTY if self.unwritten.swap(at, Ordering::Relaxed) != at => break,
                EMPTY => lost += 1,
                bits => take(f64::from_bits(bits)),
            }
            at += 1;
        }
        self.tail.store(at, Ordering::Relaxed);
        lost
    }
}

/// Returns the slot of a number.
#[inline]
fn slot(at: u64) -> usize {
    (at & (SIZE_U64 - 1)) as usize
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    fn taken(ring: &Ring) -> (Vec<f64>, u64) {
        let mut values = Vec::new();
        let lost = ring.drain(|value| values.push(value));
        (values, lost)
    }

    #[test]
    fn numbers_come_out_once_and_in_order() {
        let ring = Ring::new();
        assert_eq!(taken(&ring), (vec![], 0));
        ring.push(1.0, 1);
        ring.push(2.0, 2);
        assert_eq!(taken(&ring), (vec![1.0, 2.0, 2.0], 0));
        assert_eq!(taken(&ring), (vec![], 0));
    }

    #[test]
    fn a_full_queue_loses_its_oldest_numbers() {
        let ring = Ring::new();
        let size = u32::try_from(SIZE).unwrap();
        let halves = (0..size + 10).filter(|n| ring.push(f64::from(*n), 1)).count();
        assert_eq!(halves, 2);
        let (values, lost) = taken(&ring);
        assert_eq!((values[0], values.len(), lost), (10.0, SIZE, 10));
        ring.push(1.0, 3 * SIZE_U64);
        let (values, lost) = taken(&ring);
        assert_eq!((values.len(), lost), (SIZE, 2 * SIZE_U64));
    }

    #[test]
    fn the_second_read_skips_an_unwritten_slot() {
        let ring = Ring::new();
        ring.push(1.0, 1);
        ring.head.fetch_add(1, Ordering::Relaxed);
        ring.push(2.0, 1);
        assert_eq!(taken(&ring), (vec![1.0], 0));
        assert_eq!(taken(&ring), (vec![2.0], 1));
    }

    #[test]
    fn numbers_of_many_threads_are_taken_or_counted() {
        const EACH: u64 = 20_000;
        const THREADS: u64 = 3;
        let (ring, done) = (Ring::new(), AtomicBool::new(false));
        let (mut sum, mut lost) = (0, 0);
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..THREADS)
                .map(|_| scope.spawn(|| (0..EACH).filter(|_| ring.push(1.0, 1)).count()))
                .collect();
            scope.spawn(|| {
                writers.into_iter().for_each(|writer| assert!(writer.join().unwrap() > 0));
                done.store(true, Ordering::Release);
            });
            while !done.load(Ordering::Acquire) {
                let (values, missed) = taken(&ring);
                (sum, lost) = (sum + values.len() as u64, lost + missed);
            }
        });
        while ring.tail.load(Ordering::Relaxed) < ring.head.load(Ordering::Relaxed) {
            let (values, missed) = taken(&ring);
            (sum, lost) = (sum + values.len() as u64, lost + missed);
        }
        assert_eq!(sum + lost, THREADS * EACH);
    }
}
