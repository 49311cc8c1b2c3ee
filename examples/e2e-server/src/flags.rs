//! The command line: flags with one dash, `-name value` or `-name=value`.

use std::path::PathBuf;

/// The values of the flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flags {
    /// The server type.
    pub server_type: String,
    /// The port that a frontend listens on.
    pub port: u16,
    /// Whether the server is a frontend.
    pub frontend: bool,
    /// The prefix of the keys in the registry.
    pub sd_prefix: String,
    /// Whether servers call each other over gRPC.
    pub grpc: bool,
    /// The port of gRPC.
    pub grpc_port: u16,
    /// `json` or `protobuf`.
    pub serializer: String,
    /// Whether the server logs.
    pub debug: bool,
    /// The PEM file with the certificate chain. With certificate and key, clients connect with TLS.
    pub tls_cert: Option<PathBuf>,
    /// The PEM file with the key.
    pub tls_key: Option<PathBuf>,
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            server_type: "connector".to_owned(),
            port: 32222,
            frontend: true,
            sd_prefix: "pitaya/".to_owned(),
            grpc: false,
            grpc_port: 3434,
            serializer: "json".to_owned(),
            debug: false,
            tls_cert: None,
            tls_key: None,
        }
    }
}

impl Flags {
    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    /// A text for the user: a flag is unknown, or its value is missing or invalid.
    pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut flags = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let bare = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-'));
            let bare = bare.ok_or_else(|| format!("`{arg}` is not a flag"))?;
            let (name, given) = match bare.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (bare, None),
            };
            // A switch without a value is on; its value never stands apart.
            let switch = || flag(name, given.as_deref().unwrap_or("true"));
            let mut value = || {
                let value = given.clone().or_else(|| args.next());
                value.ok_or_else(|| format!("`-{name}` needs a value"))
            };
            match name {
                "frontend" => flags.frontend = switch()?,
                "grpc" => flags.grpc = switch()?,
                "debug" => flags.debug = switch()?,
                "type" => flags.server_type = value()?,
                "port" => flags.port = number(name, &value()?)?,
                "sdprefix" => flags.sd_prefix = value()?,
                "grpcport" => flags.grpc_port = number(name, &value()?)?,
                "serializer" => flags.serializer = value()?,
                "tlscert" => flags.tls_cert = Some(value()?.into()),
                "tlskey" => flags.tls_key = Some(value()?.into()),
                _ => return Err(format!("unknown flag `-{name}`")),
            }
        }
        Ok(flags)
    }
}

fn flag(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("`-{name}={value}`: true or false")),
    }
}

fn number(name: &str, value: &str) -> Result<u16, String> {
    value.parse().map_err(|_| format!("`-{name} {value}`: a port"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Flags, String> {
        Flags::parse(line.split_whitespace().map(str::to_owned))
    }

    /// A flag has one dash or two, and its value follows with or without an equals sign.
    #[test]
    fn flags_accept_both_go_syntaxes() {
        let flags =
            parse("-type game -port=4000 -frontend=false --sdprefix x/ -grpc=false -grpcport 5 -debug");
        let flags = flags.unwrap();
        assert_eq!((&*flags.server_type, flags.port, &*flags.sd_prefix), ("game", 4000, "x/"));
        assert!(!flags.frontend && !flags.grpc && flags.debug && flags.grpc_port == 5);
        assert_eq!(parse("").unwrap(), Flags::default());
        assert!(parse("-frontend -port 1").unwrap().frontend);
    }

    #[test]
    fn what_is_no_flag_is_refused_by_name() {
        for (line, said) in [
            ("game", "`game`"),
            ("-colour red", "`-colour`"),
            ("-port", "`-port`"),
            ("-port x", "`-port x`"),
            ("-frontend=maybe", "`-frontend=maybe`"),
        ] {
            assert!(parse(line).unwrap_err().contains(said), "{line}");
        }
    }
}
