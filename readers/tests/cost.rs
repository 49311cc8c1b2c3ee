//! Reading what a stranger sends takes a number of instructions that is linear in the input's length.
//!
//! Valgrind counts them, so no clock is involved and other load does not matter. The program `cost` reads inputs of one
//! kind in two lengths, one twice the other; short inputs come first.

use std::path::Path;
use std::process::Command;

use pitaya_readers::{READERS, Reader, Stage};

/// Twice the input may cost this many times as much. A quadratic reader comes to 4.
const GROWTH: f64 = 2.5;
/// Instructions a byte that do not count as growth: buffers that grow by doubling, and inputs that are refused at their
/// beginning or at their end.
const SLACK: f64 = 50.0;

#[test]
#[ignore = "needs valgrind"]
fn the_cost_of_reading_is_linear() {
    // Two at a time, because valgrind runs one thread.
    let (first, second) = READERS.split_at(READERS.len() / 2);
    let failures = std::thread::scope(|scope| {
        let others = scope.spawn(|| second.iter().flat_map(failures).collect::<Vec<_>>());
        let mut all: Vec<_> = first.iter().flat_map(failures).collect();
        all.extend(others.join().unwrap());
        all
    });
    assert!(failures.is_empty(), "too many instructions:\n{}", failures.join("\n"));
}

/// The instructions that one input took.
#[derive(Debug)]
struct Measured {
    input: String,
    len: u64,
    instructions: u64,
}

fn failures(reader: &Reader) -> Vec<String> {
    let short = too_costly(reader, Stage::Short);
    if short.is_empty() { too_costly(reader, Stage::Long) } else { short }
}

fn too_costly(reader: &Reader, stage: Stage) -> Vec<String> {
    let measured = measure(reader, stage);
    assert!(measured.len() >= 2 * reader.shapes.len());
    let mut failures = Vec::new();
    for lengths in measured.chunks(2) {
        let [half, whole] = lengths else { panic!("{}: two lengths of each input", reader.name) };
        assert_eq!(half.input, whole.input);
        let per_byte = whole.instructions / whole.len.max(1);
        let text = format!(
            "{}, {}: {} bytes took {}, {} took {}, {per_byte} a byte",
            reader.name, whole.input, half.len, half.instructions, whole.len, whole.instructions,
        );
        println!("{text}");
        if per_byte > reader.per_byte {
            failures.push(format!("{text}, more than {}", reader.per_byte));
        } else if whole.instructions as f64 > GROWTH * half.instructions as f64 + SLACK * whole.len as f64 {
            failures.push(format!("{text}, and more with each byte"));
        }
    }
    failures
}

/// Runs `cost` under callgrind, which writes what each call of `measured` took to a file of its own.
fn measure(reader: &Reader, stage: Stage) -> Vec<Measured> {
    let folder = tempfile::tempdir().unwrap();
    let parts = folder.path().join("part");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=cost::measured", "--dump-after=cost::measured"])
        .arg(format!("--callgrind-out-file={}", parts.display()))
        .arg(env!("CARGO_BIN_EXE_cost"))
        .args([reader.name, if stage == Stage::Short { "short" } else { "long" }])
        .env_remove("RUST_BACKTRACE")
        .output()
        .expect("valgrind is installed (`cargo xtask test needs` does that)");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", reader.name);
    let lines = String::from_utf8(output.stdout).unwrap();
    let measured: Vec<_> = lines
        .lines()
        .enumerate()
        .map(|(at, line)| {
            let (len, input) = line.split_once('\t').unwrap();
            let part = format!("{}.{}", parts.display(), at + 1);
            Measured {
                input: input.to_owned(),
                len: len.parse().unwrap(),
                instructions: total(Path::new(&part)),
            }
        })
        .collect();
    assert!(
        measured.iter().all(|measured| measured.instructions > 0),
        "{}: {measured:?}\n{errors}",
        reader.name
    );
    measured
}

/// The instructions of one part.
fn total(part: &Path) -> u64 {
    let text = std::fs::read_to_string(part).unwrap_or_else(|error| panic!("{}: {error}", part.display()));
    let totals = text.lines().find_map(|line| line.strip_prefix("totals:").or(line.strip_prefix("summary:")));
    totals
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or_else(|| panic!("{}: no total", part.display()))
}
