//! The command line of pitaya: new projects, schemas, generated clients. `pitaya --help` lists the commands.
//!
//! The program is in [`main`](fn@main). [`diff`] compares schemas, [`gen_ts`] generates clients and [`new_project`]
//! makes projects, and [`proto`] writes and compares `.proto` files, for other tools.

mod bots;
mod client;
mod commands;
pub mod diff;
pub mod gen_ts;
pub mod new_project;
pub mod proto;
mod repl;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// The exit code for an input that cannot be used, and for wrong arguments.
const UNUSABLE: u8 = 2;

/// Makes projects with pitaya, and works with the schemas of servers.
#[derive(Parser)]
#[command(name = "pitaya", version, arg_required_else_help = true, infer_subcommands = false)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes a project: a game server with tests and a page
    #[command(after_help = "\
The project has a connector and a room, which run in one process or in a cluster over NATS and etcd. With `--standalone`
it has one server.

The project uses the crates of the framework by the path of its repository.

Examples:
  pitaya new demo
  pitaya new demo --standalone
  pitaya new demo --pitaya-path ../pitaya-rs")]
    New(commands::new::New),
    /// Reads and compares schema files
    #[command(subcommand)]
    Schema(commands::schema::Command),
    /// Generates clients and .proto files
    #[command(subcommand)]
    Gen(commands::generate::Command),
    /// Compares files written by hand with a schema
    #[command(subcommand)]
    Check(commands::check::Command),
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
    /// Prints the man page
    #[command(after_help = "Example:\n  pitaya man > ~/.local/share/man/man1/pitaya.1")]
    Man,
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::New(command) => command.run(),
        Command::Schema(command) => command.run(),
        Command::Gen(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Bots(command) => command.run(),
        Command::Repl(command) => command.run(),
        Command::Expand(command) => command.run(),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "pitaya", &mut script);
            commands::print(&script)
        }
        Command::Man => commands::man::run(Cli::command()),
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
