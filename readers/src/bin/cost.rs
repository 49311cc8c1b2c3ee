//! Reads the costly inputs of one reader, for `tests/cost.rs`, which counts instructions: `cost READER short|long`.
//!
//! It prints a line for each call of [`measured`], in the order of the calls: the name of the input and its length.

use std::process::ExitCode;

use pitaya_readers::{Reader, Stage, costly, reader};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (reader, stage) = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [name, "short"] => (reader(name), Stage::Short),
        [name, "long"] => (reader(name), Stage::Long),
        _ => (None, Stage::Short),
    };
    let Some(reader) = reader else {
        eprintln!("usage: cost READER short|long");
        return ExitCode::from(2);
    };
    for family in costly(reader, stage) {
        // State that a thread makes once is made before anything is counted.
        (reader.read)(&family.input(reader, 200));
        for len in family.lengths(reader, stage) {
            let input = family.input(reader, len);
            measured(reader, &input);
            println!("{}\t{}", input.len(), family.name());
        }
    }
    ExitCode::SUCCESS
}

/// The function whose instructions are counted.
#[inline(never)]
fn measured(reader: &Reader, input: &[u8]) {
    (reader.read)(std::hint::black_box(input));
}
