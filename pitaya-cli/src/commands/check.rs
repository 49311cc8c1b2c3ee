//! `pitaya check`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{Done, print, read_schema};
use crate::proto;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Compares a .proto file with a schema
    #[command(after_help = "\
Exit codes: 0 the same on the wire, 1 different, 2 unusable input.

Only messages with a Protobuf form are compared, by the numbers of their fields. The file may have more types, and another
package.

Examples:
  pitaya check proto schema.json protos/game.proto
  my-server --print-schema | pitaya check proto - game.proto -I protos")]
    Proto(Proto),
}

impl Command {
    pub(crate) fn run(self) -> Done {
        match self {
            Self::Proto(command) => command.run(),
        }
    }
}

#[derive(Args)]
pub(crate) struct Proto {
    /// The schema file; `-` is the standard input
    schema: String,
    /// The .proto file
    file: PathBuf,
    /// A folder to search for imported files, after the folder of the file
    #[arg(short = 'I', long = "include", value_name = "FOLDER")]
    include: Vec<PathBuf>,
}

impl Proto {
    fn run(self) -> Done {
        let schema = read_schema(&self.schema)?;
        let found = proto::check(&schema, &self.file, &self.include)?;
        let breaking = found.iter().filter(|difference| difference.breaks).count();
        let mut text = String::new();
        for difference in &found {
            let _ = writeln!(text, "{difference}");
        }
        let verdict =
            if breaking == 0 { "the same on the wire".to_owned() } else { format!("{breaking} different") };
        let _ = writeln!(text, "{verdict}; notes: {}", found.len() - breaking);
        print(text.as_bytes())?;
        Ok(if breaking == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}
