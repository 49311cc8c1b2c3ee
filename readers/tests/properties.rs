//! The properties that fuzz targets check, over their seeds, damaged copies of these, and generated inputs.

use std::panic::catch_unwind;
use std::path::Path;

use pitaya_readers::seeds::{seeds, vectors};
use pitaya_readers::{READERS, Stage, costly, generated, mutated};

/// Inputs of each reader besides its seeds.
const INPUTS: u64 = 400;

#[test]
fn properties_hold_for_seeds_and_damaged_copies() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors");
    let seeds = seeds(&vectors(&folder).unwrap()).unwrap();
    for reader in READERS {
        let seeds: Vec<_> = seeds[reader.name].iter().collect();
        let mut random = fastrand::Rng::with_seed(1);
        let damaged = (0..INPUTS).map(|_| {
            let seed = seeds[random.usize(..seeds.len())];
            mutated(&mut random, seed, reader.fragments)
        });
        let whole = seeds.iter().map(|seed| seed.to_vec());
        let made = (0..INPUTS).map(|seed| generated(reader, seed, 200));
        for input in whole.chain(damaged).chain(made) {
            let checked = catch_unwind(|| (reader.check)(&input));
            assert!(checked.is_ok(), "{}: {}", reader.name, input.escape_ascii());
        }
    }
}

#[test]
fn each_reader_has_a_fuzz_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for reader in READERS {
        let path = format!("fuzz_targets/{}.rs", reader.name);
        assert!(manifest.contains(&format!("name = \"{}\"\npath = \"{path}\"", reader.name)), "{path}");
        let target = std::fs::read_to_string(folder.join(&path)).unwrap();
        assert!(target.contains(&format!("check(\"{}\", input)", reader.name)), "{path}");
    }
}

#[test]
fn costly_inputs_are_as_long_as_they_say() {
    for reader in READERS {
        for family in costly(reader, Stage::Long) {
            let lengths = family.lengths(reader, Stage::Long).map(|len| family.input(reader, len).len());
            assert!(
                lengths.is_sorted() && lengths[1] <= reader.longest + 64,
                "{}: {lengths:?}",
                family.name()
            );
            let size = reader.longest / 4096;
            assert!(lengths[0] > size, "{} {}: {lengths:?}", reader.name, family.name());
        }
    }
}
