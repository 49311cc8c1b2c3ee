//! Every function that reads what a stranger sends, with what must hold for any input.
//!
//! | user | does |
//! |---|---|
//! | `fuzz/` | one target for each [`Reader`]: calls [`Reader::check`] with inputs that a fuzzer finds |
//! | the program `cost` | calls [`Reader::read`] with the worst inputs known, under callgrind |
//! | the program `seeds` | writes the corpus that the fuzzers begin with |
//!
//! A new reader is an entry of [`READERS`] and a file in `fuzz/fuzz_targets`.

mod bodies;
mod cluster;
mod inputs;
mod pieces;
pub mod seeds;
mod transports;
mod wire;

pub use inputs::{Family, Shape, Stage, costly, generated, mutated};

/// A function that reads what a stranger sends.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// The name of the fuzz target.
    pub name: &'static str,
    /// Reads an input, as the framework does.
    pub read: fn(&[u8]),
    /// Reads an input and panics if a property does not hold.
    pub check: fn(&[u8]),
    /// Valid inputs that the vectors do not have.
    pub examples: &'static [&'static [u8]],
    /// Inputs of any length that cost much.
    pub shapes: &'static [Shape],
    /// The pieces of which inputs are generated.
    pub fragments: &'static [&'static [u8]],
    /// The bytes before and after generated pieces, without which no reader accepts them.
    pub frame: (&'static [u8], &'static [u8]),
    /// The longest input that a stranger may send, or beyond which nothing new is expected, in bytes.
    pub longest: usize,
    /// The most instructions for a byte of a long input, in a build without optimization.
    pub per_byte: u64,
}

/// All readers.
pub const READERS: &[Reader] = &[
    wire::PACKETS,
    wire::MESSAGES,
    wire::HANDSHAKE,
    wire::HANDSHAKE_REPLY,
    wire::ZLIB,
    wire::JSON_REPAIR,
    wire::ROUTES,
    transports::PROXY,
    transports::UPGRADE,
    transports::WEBSOCKET,
    cluster::REQUESTS,
    cluster::ANSWERS,
    cluster::SESSION_DATA,
    cluster::PUSHES,
    cluster::ETCD_VALUES,
    cluster::CONTEXT,
    cluster::DURATIONS,
    bodies::BODIES,
];

/// Returns the reader of this name.
#[must_use]
pub fn reader(name: &str) -> Option<&'static Reader> {
    READERS.iter().find(|reader| reader.name == name)
}

/// Checks one input of the fuzz target of this name.
///
/// # Panics
/// If a property does not hold, or there is no such reader.
pub fn check(name: &str, input: &[u8]) {
    let Some(reader) = reader(name) else { panic!("no reader `{name}`") };
    (reader.check)(input);
}

/// Drops what was read, as far as the compiler knows after a look at it.
fn ignore<T>(value: T) {
    std::hint::black_box(value);
}
