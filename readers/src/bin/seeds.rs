//! Writes the corpus that the fuzzers begin with: `seeds VECTORS OUT`. Each reader has a folder in OUT.

use std::path::Path;
use std::process::ExitCode;

use pitaya_readers::seeds::{seeds, vectors};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = args.as_slice() else {
        eprintln!("usage: seeds VECTORS OUT");
        return ExitCode::from(2);
    };
    match write(Path::new(from), Path::new(to)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed to write seeds to {to}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(from: &Path, to: &Path) -> Result<(), String> {
    let vectors = vectors(from).map_err(|error| format!("{}: {error}", from.display()))?;
    for (reader, inputs) in seeds(&vectors)? {
        let folder = to.join(reader);
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for (at, input) in inputs.iter().enumerate() {
            let file = folder.join(format!("seed-{at:04}"));
            std::fs::write(&file, input).map_err(|error| format!("{}: {error}", file.display()))?;
        }
    }
    Ok(())
}
