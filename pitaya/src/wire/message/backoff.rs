//! Compression back-off: routes whose bodies do not shrink are not deflated for a while.
//!
//! Encrypted, packed or base64 bodies cost a whole run of the deflater and gain nothing. After [`FAILURES`] bodies in a
//! row that did not shrink, a route skips [`FIRST_SKIP`] bodies, then one body is tried. Each further failure doubles the
//! number of skipped bodies, up to [`LAST_SKIP`]. One body that shrinks ends the back-off.
//!
//! The state is one atomic word a route in a table of fixed size. There is no lock and no clock, so that the same
//! sequence of bodies always gives the same bytes.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Compression;

/// Bodies of a route that must fail to shrink, in a row, before bodies are skipped.
const FAILURES: u64 = 8;
/// Bodies skipped after that.
const FIRST_SKIP: u64 = 16;
/// The most bodies skipped between two tries.
const LAST_SKIP: u64 = 1024;

/// Failures at which the skip is [`LAST_SKIP`]; further ones are not counted.
const MOST_FAILURES: u64 = FAILURES + (LAST_SKIP / FIRST_SKIP).ilog2() as u64;

/// Compression of the messages of one app or one client, with the back-off of each route.
#[derive(Debug)]
pub(crate) struct Compressor {
    mode: Compression,
    backoff: Backoff,
}

impl Compressor {
    /// Returns a compressor that remembers at most `routes` routes. They take 8 bytes each, and none where compression
    /// is off.
    pub(crate) fn new(mode: Compression, routes: usize) -> Self {
        let slots = if mode == Compression::Off { 0 } else { routes };
        Self { mode, backoff: Backoff::new(slots) }
    }

    /// Returns the compression without back-off, for bodies that belong to no route.
    #[inline]
    pub(crate) const fn mode(&self) -> &Compression {
        &self.mode
    }

    /// Returns the compression of a route known by a number. Numbers and names have separate states.
    #[inline]
    pub(crate) const fn numbered(&self, number: usize) -> RouteCompression<'_> {
        // An odd factor: neighbours get slots and tags of their own.
        let key = (number as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        RouteCompression { mode: self.mode, backoff: Some((&self.backoff, key)) }
    }

    /// Returns the compression of a body of `len` bytes of the named route. The name is hashed only if the body is long
    /// enough to be deflated.
    #[inline]
    pub(crate) fn named(&self, route: &str, len: usize) -> RouteCompression<'_> {
        if !self.mode.tries(len) {
            return RouteCompression { mode: self.mode, backoff: None };
        }
        let key = foldhash::fast::FixedState::default().hash_one(route);
        RouteCompression { mode: self.mode, backoff: Some((&self.backoff, key)) }
    }
}

/// Whether a body is deflated: a [`Compression`], and what the framework knows of the bodies of the route.
#[derive(Clone, Copy, Debug)]
pub struct RouteCompression<'a> {
    mode: Compression,
    backoff: Option<(&'a Backoff, u64)>,
}

impl From<&Compression> for RouteCompression<'_> {
    /// Without back-off: each body that is long enough is tried.
    #[inline]
    fn from(mode: &Compression) -> Self {
        Self { mode: *mode, backoff: None }
    }
}

impl RouteCompression<'_> {
    /// Returns whether a body of `len` bytes is to be deflated; call it once a body.
    #[inline]
    pub(super) fn tries(self, len: usize) -> bool {
        self.mode.tries(len) && !self.backoff.is_some_and(|(backoff, key)| backoff.skips(key))
    }

    /// Notes whether the body that was tried shrank.
    #[inline]
    pub(super) fn tried(self, shrank: bool) {
        if let Some((backoff, key)) = self.backoff {
            backoff.tried(key, shrank);
        }
    }
}

/// The routes in back-off. Two routes that meet in one slot displace each other, and are then tried more often.
#[derive(Debug)]
struct Backoff {
    /// From the highest bit: 32 bits of the key, 8 bits for failures in a row, 24 bits for bodies still to skip. Threads
    /// may overwrite each other's updates, which costs a few bodies more or less.
    slots: Box<[AtomicU64]>,
}

const TAG: u64 = 0xffff_ffff << 32;
const SKIP_BITS: u32 = 24;
const SKIP: u64 = (1 << SKIP_BITS) - 1;

impl Backoff {
    fn new(slots: usize) -> Self {
        Self { slots: std::iter::repeat_with(AtomicU64::default).take(slots).collect() }
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below the number of slots")]
    fn slot(&self, key: u64) -> Option<&AtomicU64> {
        let at = (key & !TAG).checked_rem(self.slots.len() as u64)?;
        self.slots.get(at as usize)
    }

    fn skips(&self, key: u64) -> bool {
        let Some(slot) = self.slot(key) else { return false };
        let state = slot.load(Relaxed);
        let skips = state & TAG == key & TAG && state & SKIP > 0;
        if skips {
            slot.store(state - 1, Relaxed);
        }
        skips
    }

    fn tried(&self, key: u64, shrank: bool) {
        let Some(slot) = self.slot(key) else { return };
        let state = slot.load(Relaxed);
        let known = if state & TAG == key & TAG { state & !TAG } else { 0 };
        if !shrank {
            let failures = (known >> SKIP_BITS).saturating_add(1).min(MOST_FAILURES);
            let skip = if failures < FAILURES { 0 } else { FIRST_SKIP << (failures - FAILURES) };
            slot.store(key & TAG | failures << SKIP_BITS | skip, Relaxed);
        } else if known > 0 {
            slot.store(0, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON: Compression = Compression::On { threshold: 1 };

    /// Sends bodies of one route; returns which of them were tried.
    fn tried(compressor: &Compressor, route: &str, shrinks: &[bool]) -> Vec<usize> {
        let try_one = |(at, shrinks): (usize, &bool)| {
            let compression = compressor.named(route, 10);
            let tries = compression.tries(10);
            if tries {
                compression.tried(*shrinks);
            }
            tries.then_some(at)
        };
        shrinks.iter().enumerate().filter_map(try_one).collect()
    }

    #[test]
    fn tries_grow_rarer_up_to_a_bound() {
        let compressor = Compressor::new(ON, 64);
        let tries = tried(&compressor, "a", &[false; 20_000]);
        let gaps: Vec<_> = tries.windows(2).map(|pair| pair[1] - pair[0] - 1).collect();
        assert_eq!(gaps[..14], [0, 0, 0, 0, 0, 0, 0, 16, 32, 64, 128, 256, 512, 1024]);
        assert!(gaps[13..].iter().all(|gap| *gap == 1024), "{gaps:?}");
        assert!(gaps.len() > 20);
    }

    #[test]
    fn one_body_that_shrinks_ends_the_back_off() {
        let compressor = Compressor::new(ON, 64);
        assert_eq!(tried(&compressor, "a", &[false; 100]).len(), 10);
        let mut bodies = vec![true; 2000];
        let first = tried(&compressor, "a", &bodies).len();
        assert!((1500..2000).contains(&first), "{first}");
        bodies.truncate(100);
        assert_eq!(tried(&compressor, "a", &bodies).len(), 100);
    }

    #[test]
    fn mixed_bodies_are_always_tried() {
        let mixed: Vec<_> = (0..1000).map(|at| at % 4 == 0).collect();
        assert_eq!(tried(&Compressor::new(ON, 64), "a", &mixed).len(), 1000);
    }

    #[test]
    fn routes_have_separate_back_offs() {
        let compressor = Compressor::new(ON, 1024);
        tried(&compressor, "a", &[false; 100]);
        assert_eq!(tried(&compressor, "b", &[true; 100]).len(), 100);
        for number in 0..100 {
            assert!(compressor.numbered(number).tries(10), "{number}");
        }
        assert!(!compressor.named("a", 10).tries(10));
    }

    #[test]
    fn a_displaced_route_is_only_tried_more_often() {
        let compressor = Compressor::new(ON, 1);
        tried(&compressor, "a", &[false; 100]);
        assert_eq!(tried(&compressor, "b", &[true; 50]).len(), 50);
        assert!(tried(&compressor, "a", &[false; 16]).is_empty(), "`b` shrank and left the slot alone");
        tried(&compressor, "b", &[false]);
        assert_eq!(tried(&compressor, "a", &[false; 8]).len(), 8);
    }

    #[test]
    fn short_bodies_and_no_compression_need_no_state() {
        let off = Compressor::new(Compression::Off, 1024);
        assert!(off.backoff.slots.is_empty() && !off.numbered(1).tries(1 << 20));
        let on = Compressor::new(Compression::On { threshold: 128 }, 8);
        assert!(on.named("a", 127).backoff.is_none() && !on.numbered(1).tries(127));
    }
}
