//! Inputs: generated ones of any length, and damaged copies of others.

use crate::Reader;

/// A family of inputs: one for each length.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A text, pieces that are repeated up to the length, and a text behind them.
    Repeated {
        /// The beginning.
        before: &'static [u8],
        /// The repeated part.
        piece: &'static [u8],
        /// The end.
        after: &'static [u8],
    },
    /// Two kinds of pieces, each for half of the length.
    Halves {
        /// The beginning.
        before: &'static [u8],
        /// The repeated part of the first half.
        first: &'static [u8],
        /// The part between the halves.
        between: &'static [u8],
        /// The repeated part of the second half.
        second: &'static [u8],
        /// The end.
        after: &'static [u8],
    },
    /// The result of a function of the length.
    Made(&'static str, fn(usize) -> Vec<u8>),
}

impl Shape {
    /// Returns the input of at most `len` bytes, or a little more if the fixed parts are longer.
    #[must_use]
    pub fn input(&self, len: usize) -> Vec<u8> {
        match *self {
            Self::Repeated { before, piece, after } => {
                let mut out = before.to_vec();
                repeat(&mut out, piece, len.saturating_sub(after.len()));
                out.extend_from_slice(after);
                out
            }
            Self::Halves { before, first, between, second, after } => {
                let mut out = before.to_vec();
                repeat(&mut out, first, len / 2);
                out.extend_from_slice(between);
                repeat(&mut out, second, len.saturating_sub(after.len()));
                out.extend_from_slice(after);
                out
            }
            Self::Made(_, make) => make(len),
        }
    }

    /// Returns a short name, for messages.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Repeated { before, piece, .. } => {
                format!("{}({})*", before.escape_ascii(), piece.escape_ascii())
            }
            Self::Halves { first, second, .. } => {
                format!("({})*({})*", first.escape_ascii(), second.escape_ascii())
            }
            Self::Made(name, _) => (*name).to_owned(),
        }
    }
}

fn repeat(out: &mut Vec<u8>, piece: &[u8], len: usize) {
    while out.len() + piece.len() <= len {
        out.extend_from_slice(piece);
    }
}

/// Returns an input of about `len` bytes that a few of the reader's fragments make up, again and again. The same seed
/// gives the same fragments for every length.
#[must_use]
pub fn generated(reader: &Reader, seed: u64, len: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut unit = || {
        let count = random.usize(1..=4);
        let mut unit = Vec::new();
        for _ in 0..count {
            match random.choice(reader.fragments) {
                Some(fragment) => unit.extend_from_slice(fragment),
                None => unit.push(random.u8(..)),
            }
        }
        unit
    };
    let (first, second) = (unit(), unit());
    let (before, after) = reader.frame;
    let mut out = before.to_vec();
    // Half of the seeds switch to another unit in the middle.
    let middle = if seed.is_multiple_of(2) { len } else { len / 2 };
    repeat(&mut out, &first, middle.saturating_sub(after.len()));
    repeat(&mut out, &second, len.saturating_sub(after.len()));
    out.extend_from_slice(after);
    out
}

/// Returns a damaged copy of an input.
#[must_use]
pub fn mutated(random: &mut fastrand::Rng, input: &[u8], fragments: &[&[u8]]) -> Vec<u8> {
    let mut out = input.to_vec();
    for _ in 0..random.usize(1..=4) {
        let at = random.usize(..=out.len());
        match random.u8(..5) {
            0 => out.truncate(at),
            1 => out.insert(at, random.u8(..)),
            2 if at < out.len() => out[at] = random.u8(..),
            3 if at < out.len() => out[at] ^= 1 << random.u8(..8),
            _ => {
                if let Some(fragment) = random.choice(fragments) {
                    out.splice(at..at, fragment.iter().copied());
                }
            }
        }
    }
    out
}

/// Inputs of one kind, for any length.
#[derive(Clone, Copy, Debug)]
pub enum Family {
    /// One of the reader's [shapes](Reader::shapes).
    Shape(Shape),
    /// [`generated`] with this seed.
    Generated(u64),
}

/// Short inputs are measured before long ones, because valgrind would take hours for a reader that is far from linear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Shapes and generated inputs, of some kilobytes.
    Short,
    /// Shapes, up to the longest input.
    Long,
}

/// Generated families of each reader.
const SEEDS: u64 = 10;

/// Returns the families of inputs whose cost is measured.
pub fn costly(reader: &Reader, stage: Stage) -> impl Iterator<Item = Family> {
    let shapes = reader.shapes.iter().copied().map(Family::Shape);
    let seeds = if stage == Stage::Short { SEEDS } else { 0 };
    shapes.chain((0..seeds).map(Family::Generated))
}

impl Family {
    /// Returns the lengths that are measured, each twice the one before. They end at the reader's
    /// [longest](Reader::longest), and much earlier in the first stage.
    #[must_use]
    pub fn lengths(&self, reader: &Reader, stage: Stage) -> [usize; 2] {
        let last = match stage {
            Stage::Short => (reader.longest / 8).max(4096).min(reader.longest),
            Stage::Long => reader.longest,
        };
        [last / 2, last]
    }

    /// Returns the input of this length.
    #[must_use]
    pub fn input(&self, reader: &Reader, len: usize) -> Vec<u8> {
        match self {
            Self::Shape(shape) => shape.input(len),
            Self::Generated(seed) => generated(reader, *seed, len),
        }
    }

    /// Returns a short name, for messages.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Shape(shape) => shape.name(),
            Self::Generated(seed) => format!("generated from seed {seed}"),
        }
    }
}
