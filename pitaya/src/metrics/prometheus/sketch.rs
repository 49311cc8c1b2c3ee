//! Quantiles over a sliding window, from counts of values by size.
//!
//! Values are counted in buckets that divide each power of two into 64 parts, so a quantile is off by less than 1 % of
//! its value. Each fifth of the window has its own counts. The oldest fifth is cleared when a new one begins.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::util::sync::Mutex;

/// The parts of the window.
pub(super) const PARTS: usize = 5;
/// Buckets of one power of two, as the number of bits of the fraction.
const FRACTION_BITS: u32 = 6;
const FRACTIONS: usize = 1 << FRACTION_BITS;
/// The number of powers of two, from 2^-32 up. Values beyond are counted in the outermost bucket.
const OCTAVES: usize = 96;
const LOWEST: i32 = -32;

/// The current part of the window. All sketches of an exporter share it.
#[derive(Debug, Default)]
pub(super) struct Part(AtomicUsize);

impl Part {
    /// Returns the next part.
    pub(super) fn next(&self) -> usize {
        (self.0.load(Ordering::Relaxed) + 1) % PARTS
    }

    /// Makes a part, which has been cleared, the current one.
    pub(super) fn set(&self, part: usize) {
        self.0.store(part % PARTS, Ordering::Relaxed);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts of values by size.
pub(super) struct Sketch {
    positive: Octaves,
    negative: OnceLock<Box<Octaves>>,
    zero: [AtomicU32; PARTS],
    /// The number of values that have left the window. Recording does not lock it. The lock prevents that a reader counts
    /// values twice, or not at all, while they are cleared.
    left: Mutex<u64>,
}

/// The buckets of a power of two are allocated for its first value.
struct Octaves([OnceLock<Box<Octave>>; OCTAVES]);

struct Octave([[AtomicU32; FRACTIONS]; PARTS]);

impl Sketch {
    pub(super) fn new() -> Self {
        Self {
            positive: Octaves::new(),
            negative: OnceLock::new(),
            zero: Default::default(),
            left: Mutex::default(),
        }
    }

    /// Counts a finite value `times` times.
    #[inline]
    pub(super) fn add(&self, part: &Part, value: f64, times: u64) {
        let part = part.get();
        let times = u32::try_from(times).unwrap_or(u32::MAX);
        let count = if value > 0.0 {
            self.positive.count(part, value)
        } else if value < 0.0 {
            self.negative.get_or_init(|| Box::new(Octaves::new())).count(part, -value)
        } else {
            self.zero.get(part)
        };
        if let Some(count) = count {
            count.fetch_add(times, Ordering::Relaxed);
        }
    }

    /// Clears the values of one part of the window.
    pub(super) fn clear(&self, part: usize) {
        let mut left = self.left.lock();
        *left += self.zero.get(part).map_or(0, |zero| u64::from(zero.swap(0, Ordering::Relaxed)));
        *left += self.positive.clear(part);
        *left += self.negative.get().map_or(0, |octaves| octaves.clear(part));
    }

    /// Returns the values of the window with their counts, ascending.
    pub(super) fn counts(&self) -> Counts {
        let left = self.left.lock();
        let mut counts = Vec::new();
        if let Some(negative) = self.negative.get() {
            negative.collect(&mut counts);
            counts.reverse();
            counts.iter_mut().for_each(|(value, _)| *value = -*value);
        }
        let zero: u64 = self.zero.iter().map(|count| u64::from(count.load(Ordering::Relaxed))).sum();
        counts.extend((zero > 0).then_some((0.0, zero)));
        self.positive.collect(&mut counts);
        let total = counts.iter().map(|(_, count)| count).sum();
        Counts { counts, total, ever: *left + total }
    }
}

/// Values with their counts, ascending.
pub(super) struct Counts {
    counts: Vec<(f64, u64)>,
    total: u64,
    /// The number of all values since the beginning, in the window and before.
    pub(super) ever: u64,
}

impl Counts {
    /// Returns the value that this share of all values does not exceed; `NaN` without values.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of the total is between 0 and the total"
    )]
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let rank = ((share * self.total as f64).ceil() as u64).max(1);
        let mut below = 0;
        for (value, count) in &self.counts {
            below += count;
            if below >= rank {
                return *value;
            }
        }
        f64::NAN
    }
}

impl Octaves {
    fn new() -> Self {
        Self(std::array::from_fn(|_| OnceLock::new()))
    }

    /// Returns the count of a positive value's bucket.
    #[inline]
    fn count(&self, part: usize, value: f64) -> Option<&AtomicU32> {
        let (octave, fraction) = bucket(value);
        let octave = self.0.get(octave)?;
        octave.get_or_init(Octave::new).0.get(part)?.get(fraction)
    }

    /// Clears one part of the window. Returns the number of its values.
    fn clear(&self, part: usize) -> u64 {
        let octaves = self.0.iter().filter_map(OnceLock::get).filter_map(|octave| octave.0.get(part));
        octaves.flatten().map(|count| u64::from(count.swap(0, Ordering::Relaxed))).sum()
    }

    fn collect(&self, counts: &mut Vec<(f64, u64)>) {
        for (at, octave) in self.0.iter().enumerate() {
            let Some(octave) = octave.get() else { continue };
            for fraction in 0..FRACTIONS {
                let count = |part: &[AtomicU32; FRACTIONS]| {
                    u64::from(part.get(fraction).map_or(0, |count| count.load(Ordering::Relaxed)))
                };
                let count: u64 = octave.0.iter().map(count).sum();
                if count > 0 {
                    counts.push((middle(at, fraction), count));
                }
            }
        }
    }
}

impl Octave {
    #[cold]
    fn new() -> Box<Self> {
        Box::new(Self(std::array::from_fn(|_| std::array::from_fn(|_| AtomicU32::new(0)))))
    }
}

/// Returns the bucket of a positive value: its power of two, and the first bits of its fraction.
#[inline]
fn bucket(value: f64) -> (usize, usize) {
    const EXPONENT: u64 = 0x7ff;
    const BIAS: i32 = 1023;
    let bits = value.to_bits();
    // 11 bits and 6 bits
    let exponent = i32::try_from((bits >> (f64::MANTISSA_DIGITS - 1)) & EXPONENT).unwrap_or(0) - BIAS;
    let fraction = bits >> (f64::MANTISSA_DIGITS - 1 - FRACTION_BITS);
    let fraction = usize::try_from(fraction).unwrap_or(0) & (FRACTIONS - 1);
    match usize::try_from(exponent - LOWEST) {
        Ok(octave) if octave < OCTAVES => (octave, fraction),
        Ok(_) => (OCTAVES - 1, FRACTIONS - 1),
        Err(_) => (0, 0),
    }
}

/// Returns the middle of a bucket.
#[expect(clippy::cast_precision_loss, reason = "the numbers are below 128")]
fn middle(octave: usize, fraction: usize) -> f64 {
    let power = i32::try_from(octave).unwrap_or(0) + LOWEST;
    2f64.powi(power) * (1.0 + (fraction as f64 + 0.5) / FRACTIONS as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sketch(values: &[f64]) -> Sketch {
        let (sketch, part) = (Sketch::new(), Part::default());
        values.iter().for_each(|value| sketch.add(&part, *value, 1));
        sketch
    }

    proptest! {
        #[test]
        fn quantiles_are_within_one_percent(
            values in prop::collection::vec(prop_oneof![-1e12..1e12f64, -1.0..1.0f64, Just(0.0)], 1..300),
            share in 0.0..=1.0f64,
        ) {
            let quantile = sketch(&values).counts().quantile(share);
            let mut sorted = values;
            sorted.sort_by(f64::total_cmp);
            let wanted = share * sorted.len() as f64;
            let exact = *sorted.iter().zip(1u32..).find(|(_, rank)| f64::from(*rank) >= wanted).unwrap().0;
            // Values nearer to zero than 2^-32 are counted as if they had that size.
            prop_assert!((quantile - exact).abs() <= 0.01 * exact.abs() + 1e-9, "{quantile} for {exact}");
        }
    }

    #[test]
    fn extreme_values_are_counted_in_the_outermost_bucket() {
        let counts = sketch(&[f64::MIN_POSITIVE, f64::MAX, f64::MIN, -0.0, 1e-300]).counts();
        assert_eq!(counts.total, 5);
        assert!(counts.quantile(1.0) > 1e19 && counts.quantile(0.0) < -1e19);
        assert_eq!(counts.quantile(0.4), 0.0);
    }

    #[test]
    fn a_part_of_the_window_is_forgotten() {
        let (sketch, part) = (Sketch::new(), Part::default());
        for step in 0..PARTS {
            sketch.add(&part, [1.0, -1.0, 0.0][step % 3], 10);
            let next = part.next();
            sketch.clear(next);
            part.set(next);
            let remembered = (step + 1).min(PARTS - 1);
            let counts = sketch.counts();
            assert_eq!((counts.total, counts.ever), (10 * remembered as u64, 10 * (step as u64 + 1)));
        }
        assert!(Sketch::new().counts().quantile(0.5).is_nan());
    }
}
