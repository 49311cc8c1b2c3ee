//! The program `pitaya`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pitaya_cli::main()
}
