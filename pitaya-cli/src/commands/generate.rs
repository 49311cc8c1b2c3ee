//! `pitaya gen`.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use super::{Done, print, read_schema};
use crate::gen_ts::{self, Options};
use crate::proto;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Generates the TypeScript client of a schema
    #[command(after_help = "\
The file imports types of the npm package `@pitaya/client` only.

Examples:
  pitaya gen ts schema.json -o src/chat.ts
  my-server --print-schema | pitaya gen ts - --int64 bigint > src/chat.ts")]
    Ts(Ts),
    /// Writes the messages with a Protobuf form as a .proto file
    #[command(after_help = "\
Examples:
  pitaya gen proto schema.json -o game.proto
  my-server --print-schema | pitaya gen proto - > game.proto")]
    Proto(Proto),
}

impl Command {
    pub(crate) fn run(self) -> Done {
        match self {
            Self::Ts(command) => command.run(),
            Self::Proto(command) => command.run(),
        }
    }
}

#[derive(Args)]
pub(crate) struct Ts {
    /// The schema file; `-` is the standard input
    file: String,
    /// The file to write; the standard output by default
    #[arg(short, long, value_name = "FILE")]
    out: Option<String>,
    /// The type of `i64` and `u64`
    #[arg(long, value_enum, default_value_t = Int64::Auto)]
    int64: Int64,
    /// The name of the exported schema; by default the schema's own name
    #[arg(long)]
    name: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Int64 {
    /// `number` if clients speak JSON only, else `bigint`
    Auto,
    /// `number`; a value that a number cannot hold exactly is an error
    Number,
    /// `bigint`
    Bigint,
}

impl Ts {
    fn run(self) -> Done {
        let schema = read_schema(&self.file)?;
        let int64 = match self.int64 {
            Int64::Auto => gen_ts::Int64::Auto,
            Int64::Number => gen_ts::Int64::Number,
            Int64::Bigint => gen_ts::Int64::BigInt,
        };
        let options = Options { int64, name: self.name };
        let text = gen_ts::generate(&schema, &options).map_err(|error| format!("{}: {error}", self.file))?;
        write(self.out, &text)
    }
}

#[derive(Args)]
pub(crate) struct Proto {
    /// The schema file; `-` is the standard input
    file: String,
    /// The file to write; the standard output by default
    #[arg(short, long, value_name = "FILE")]
    out: Option<String>,
}

impl Proto {
    fn run(self) -> Done {
        let text =
            proto::write(&read_schema(&self.file)?).map_err(|error| format!("{}: {error}", self.file))?;
        write(self.out, &text)
    }
}

/// Writes to a file, or to the standard output.
fn write(out: Option<String>, text: &str) -> Done {
    match out {
        None => print(text.as_bytes()),
        Some(path) => {
            std::fs::write(&path, text).map_err(|error| format!("{path}: {error}"))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
