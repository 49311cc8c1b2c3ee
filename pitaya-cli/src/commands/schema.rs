//! `pitaya schema`.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use pitaya_schema::{Method, Scalar, Schema, Type};

use super::pull::Pull;
use super::{Done, print, read, read_schema};
use crate::diff::{self, Allowed, Severity};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Prints what a schema file contains
    #[command(after_help = "\
Examples:
  pitaya schema print schema.json            routes, pushes and errors, one a line
  pitaya schema print --json schema.json     the file, sorted and indented
  my-server --print-schema | pitaya schema print --hash -")]
    Print(Print),
    /// Writes the schema that a running server serves
    #[command(after_help = "\
The server serves it if its program registers `pitaya::schema::SchemaRoute`.

Examples:
  pitaya schema pull localhost:3250 -o schema.json
  pitaya schema pull ws://localhost:3251 | pitaya schema diff schema.json -
  pitaya schema pull wss://game.example")]
    Pull(Pull),
    /// Tells what a change of a schema breaks
    #[command(after_help = "\
Exit codes: 0 compatible, 1 breaking, 2 unusable input.

Directions: `in` is what old callers send and new servers read, `out` what new servers send and old clients read.

An allow file has one id a line, as the report prints it; `#` begins a comment.

Examples:
  pitaya schema diff old.json new.json
  git show main:schema.json | pitaya schema diff - schema.json
  pitaya schema diff old.json new.json --level source --allow accepted.txt --json")]
    Diff(Diff),
}

impl Command {
    pub(crate) fn run(self) -> Done {
        match self {
            Self::Print(command) => command.run(),
            Self::Pull(command) => command.run(),
            Self::Diff(command) => command.run(),
        }
    }
}

#[derive(Args)]
pub(crate) struct Print {
    /// The schema file; `-` is the standard input
    file: String,
    /// Prints the file, sorted and indented
    #[arg(long, conflicts_with = "hash")]
    json: bool,
    /// Prints the hash of the schema, and the hash of the part that clients use
    #[arg(long)]
    hash: bool,
}

impl Print {
    fn run(self) -> Done {
        let schema = read_schema(&self.file)?;
        let text = if self.json {
            schema.to_json()
        } else if self.hash {
            format!("{}  schema\n{}  client\n", schema.hash(), schema.client_hash())
        } else {
            overview(&schema)
        };
        print(text.as_bytes())
    }
}

/// Returns the routes, pushes and errors, one a line.
fn overview(schema: &Schema) -> String {
    let mut text = String::new();
    for (title, methods) in [("handlers", &schema.handlers), ("remotes", &schema.remotes)] {
        if !methods.is_empty() {
            let _ = writeln!(text, "{title}");
        }
        for (route, method) in methods {
            let _ = writeln!(text, "  {route}{}", signature(method));
        }
    }
    if !schema.pushes.is_empty() {
        text.push_str("pushes\n");
    }
    for (route, push) in &schema.pushes {
        let _ = writeln!(text, "  {route}: {}", body(Some(&push.message)));
    }
    if !schema.errors.is_empty() {
        text.push_str("errors\n");
    }
    for (code, error) in &schema.errors {
        let _ = writeln!(text, "  {code}: {}", error.doc.lines().next().unwrap_or_default());
    }
    text
}

fn signature(method: &Method) -> String {
    let message = method.message.as_ref().map_or_else(String::new, |ty| body(Some(ty)));
    let reply = if method.notify { String::new() } else { format!(" -> {}", body(method.reply.as_ref())) };
    let errors = match &method.errors {
        Some(codes) if !codes.is_empty() => format!(" ! {}", codes.join(", ")),
        _ => String::new(),
    };
    format!("({message}){reply}{errors}")
}

fn body(ty: Option<&Type>) -> String {
    match ty {
        None => "()".to_owned(),
        Some(Type::Scalar(Scalar::Bytes)) => "raw bytes".to_owned(),
        Some(ty) => ty.to_string(),
    }
}

#[derive(Args)]
pub(crate) struct Diff {
    /// The schema of the programs that are in use; `-` is the standard input
    old: String,
    /// The schema of the programs that will be; `-` is the standard input
    new: String,
    /// The changes that count as breaking
    #[arg(long, value_enum, default_value_t = Level::Wire)]
    level: Level,
    /// Prints the report as JSON
    #[arg(long)]
    json: bool,
    /// A file with the ids of accepted findings
    #[arg(long, value_name = "FILE")]
    allow: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Level {
    /// Changes that programs in use would misunderstand
    Wire,
    /// Also changes that stop code from compiling that uses generated types
    Source,
}

impl Diff {
    fn run(self) -> Done {
        if self.old == "-" && self.new == "-" {
            return Err("only one of the two files can be the standard input".to_owned());
        }
        let (old, new) = (read_schema(&self.old)?, read_schema(&self.new)?);
        let allowed = match &self.allow {
            None => Allowed::default(),
            Some(path) => Allowed::parse(&read(path)?).map_err(|error| format!("{path}: {error}"))?,
        };
        let level = match self.level {
            Level::Wire => Severity::Break,
            Level::Source => Severity::Source,
        };
        let (findings, accepted) = allowed.split(diff::diff(&old, &new));
        for id in allowed.unused(&accepted) {
            eprintln!("pitaya: the allow file accepts `{id}`, which is not found any more");
        }
        let breaking = diff::breaking(&findings, level);
        if self.json {
            print(format!("{:#}\n", diff::to_json(&findings, &accepted, level)).as_bytes())?;
        } else {
            let mut text = diff::to_text(&findings);
            let verdict =
                if breaking == 0 { "compatible".to_owned() } else { format!("{breaking} breaking") };
            let _ = writeln!(text, "{verdict}; findings: {}, accepted: {}", findings.len(), accepted.len());
            print(text.as_bytes())?;
        }
        Ok(if breaking == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}
