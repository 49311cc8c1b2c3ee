//! The command line of pitaya: schemas, their differences, generated clients, `pitaya repl`, `pitaya bots`.
//!
//! The program is in [`main`](fn@main). [`diff`] compares schemas and [`gen_ts`] generates clients without input and
//! output, for other tools.

mod bots;
mod client;
mod commands;
pub mod diff;
pub mod gen_ts;
mod repl;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// The exit code for an input that cannot be used, and for wrong arguments.
const UNUSABLE: u8 = 2;

/// Works with the schemas of pitaya servers.
#[derive(Parser)]
#[command(name = "pitaya", version, arg_required_else_help = true, infer_subcommands = false)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Reads and compares schema files
    #[command(subcommand)]
    Schema(commands::schema::Command),
    /// Generates clients
    #[command(subcommand)]
    Gen(commands::generate::Command),
    /// Tests a server under the load of many clients
    #[command(after_help = bots::EXAMPLES)]
    Bots(bots::Bots),
    /// Sends requests to a server by hand, or from a script
    #[command(after_help = repl::EXAMPLES)]
    Repl(repl::Repl),
    /// Prints a Rust file with the macros of pitaya expanded
    #[command(after_help = "Example:\n  pitaya expand src/room.rs")]
    Expand(commands::expand::Expand),
    /// Prints the completions of a shell
    #[command(
        after_help = "Example:\n  pitaya completions bash > ~/.local/share/bash-completion/completions/pitaya"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Schema(command) => command.run(),
        Command::Gen(command) => command.run(),
        Command::Bots(command) => command.run(),
        Command::Repl(command) => command.run(),
        Command::Expand(command) => command.run(),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "pitaya", &mut script);
            commands::print(&script)
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("pitaya: {error}");
        ExitCode::from(UNUSABLE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
