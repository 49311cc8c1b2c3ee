//! `cargo xtask protos`: the Rust code of `docs/pitaya.proto`, which is checked in, so that a build of
//! the framework needs no Protobuf compiler.

use std::process::ExitCode;

use crate::root;

const PROTO: &str = "pitaya.proto";
const RUST: &str = "pitaya/src/cluster/protos/generated.rs";

const HEAD: &str = "\
// Made of docs/pitaya.proto by `cargo xtask protos`. Do not edit.

#![allow(clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction, unused_qualifications)]

";

/// Writes the code.
pub(crate) fn main() -> ExitCode {
    let written =
        make().and_then(|code| std::fs::write(root().join(RUST), code).map_err(|error| error.to_string()));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{RUST}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The code, formatted.
fn make() -> Result<String, String> {
    let files = protox::compile([PROTO], [root().join("docs")]).map_err(|error| error.to_string())?;
    let mut config = prost_build::Config::new();
    // Bytes of a message share the buffer it came in; maps have one order.
    config.bytes(["."]).btree_map(["."]);
    // Its map is written as Go Pitaya writes it, which the generator cannot.
    config.extern_path(".protos.Error", "super::Error");
    let modules = files
        .file
        .into_iter()
        .map(|file| (prost_build::Module::from_protobuf_package_name(file.package()), file))
        .collect();
    let made = config.generate(modules).map_err(|error| error.to_string())?;
    let mut code = HEAD.to_owned();
    for text in made.into_values() {
        let file = syn::parse_file(&text).map_err(|error| error.to_string())?;
        code += &prettyplease::unparse(&file);
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_protobuf_code_is_generated() {
        let checked_in = std::fs::read_to_string(root().join(RUST)).unwrap_or_default();
        assert!(make().unwrap() == checked_in, "{RUST} is out of date: run `cargo xtask protos`");
    }
}
