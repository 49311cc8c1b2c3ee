//! Parses addresses of brokers and their credentials.
//!
//! Credentials are removed before any other code sees an address, the client's own log included.

use async_nats::ServerAddr;

use crate::util::host::with_host;
use crate::util::redact;

/// The addresses of the brokers, and the login if the addresses have one.
#[derive(Clone)]
pub(super) struct Addresses {
    pub(super) servers: Vec<ServerAddr>,
    pub(super) login: Option<Login>,
}

/// The credentials of this server.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Login {
    User { user: String, password: String },
    Token(String),
}

/// Parses a comma-separated list, such as `nats://user:secret@one:4222,two`.
pub(super) fn parse(list: &str) -> Result<Addresses, String> {
    let mut servers = Vec::new();
    let mut login = None;
    for address in list.split(',').map(str::trim).filter(|address| !address.is_empty()) {
        let shown = redact::address(address);
        let (scheme, info, rest) = parts(address);
        if !matches!(scheme, "nats" | "tls") {
            return Err(format!("`{shown}` begins with neither `nats://` nor `tls://`"));
        }
        if let Some(info) = info {
            let found =
                credentials(info).ok_or_else(|| format!("the credentials in `{shown}` are not UTF-8"))?;
            if login.as_ref().is_some_and(|before| *before != found) {
                return Err("the addresses have different credentials; use the same for all brokers".into());
            }
            login = Some(found);
        }
        let server: ServerAddr = format!("{scheme}://{}", with_host(rest))
            .parse()
            .map_err(|error| format!("`{shown}` is not a valid broker address: {error}"))?;
        if server.host().is_empty() {
            return Err(format!("`{shown}` has no host"));
        }
        servers.push(server);
    }
    if servers.is_empty() {
        return Err("is empty; the address of a broker is like `nats://localhost:4222`".into());
    }
    Ok(Addresses { servers, login })
}

/// Splits an address into its scheme, its credentials and its host.
///
/// A secret may contain any character but a comma, so everything up to the last `@` counts as credentials.
fn parts(address: &str) -> (&str, Option<&str>, &str) {
    let (scheme, rest) = address.split_once("://").unwrap_or(("nats", address));
    match rest.rsplit_once('@') {
        Some((info, rest)) => (scheme, Some(info), rest),
        None => (scheme, None, rest),
    }
}

fn credentials(info: &str) -> Option<Login> {
    Some(match info.split_once(':') {
        Some((user, password)) => Login::User { user: decoded(user)?, password: decoded(password)? },
        None => Login::Token(decoded(info)?),
    })
}

/// Decodes percent-encoded characters, such as `%40`.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        let escaped = (first == b'%')
            .then(|| behind.split_first_chunk::<2>())
            .flatten()
            .and_then(|(digits, behind)| Some((hex(digits[0])? * 16 + hex(digits[1])?, behind)));
        match escaped {
            Some((byte, behind)) => {
                bytes.push(byte);
                rest = behind;
            }
            None => bytes.push(first),
        }
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| value.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn login(list: &str) -> Option<Login> {
        parse(list).unwrap_or_else(|error| panic!("{list}: {error}")).login
    }

    fn user(user: &str, password: &str) -> Option<Login> {
        Some(Login::User { user: user.into(), password: password.into() })
    }

    #[test]
    fn address_list_accepts_schemes_ports_and_spaces() {
        let addresses = parse("nats://one:1, two:2 ,tls://three,,[::1]:4,").unwrap();
        let found: Vec<_> =
            addresses.servers.iter().map(|s| (s.host(), s.port(), s.tls_required())).collect();
        assert_eq!(found, [("one", 1, false), ("two", 2, false), ("three", 4222, true), ("::1", 4, false)]);
        assert!(addresses.login.is_none());
    }

    #[test]
    fn a_port_alone_is_at_localhost() {
        let addresses = parse(":4222,nats://:4223,tls://ann:secret@:4224,localhost").unwrap();
        let found: Vec<_> = addresses.servers.iter().map(|s| (s.host(), s.port())).collect();
        assert_eq!(found, [4222, 4223, 4224, 4222].map(|port| ("localhost", port)));
    }

    #[test]
    fn credentials_are_taken_out_of_an_address() {
        assert!(login("nats://ann:secret@one") == user("ann", "secret"));
        assert!(login("ann:a%40b%3A%2c@one") == user("ann", "a@b:,"));
        assert!(login("ann:100%@one") == user("ann", "100%"));
        assert!(login("ann:a@b@one") == user("ann", "a@b"));
        assert!(login("nats://t0ken@one:1,nats://t0ken@two,three") == Some(Login::Token("t0ken".into())));
        for server in parse("nats://ann:secret@one:1,tls://ann:secret@two").unwrap().servers {
            assert!(!format!("{server:?}").contains("secret"));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_secret() {
        for list in [
            "",
            " , ",
            "ws://ann:secret@one",
            "nats://ann:secret@",
            "nats://ann:secret@one:port",
            "a b",
            "http://a",
        ] {
            let error = parse(list).err().unwrap_or_else(|| panic!("{list:?} was taken"));
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(parse("nats://a:1@one,nats://b:2@two").is_err());
        assert!(parse("nats://%ff@one").is_err());
    }

    proptest! {
        #[test]
        fn no_list_makes_the_reader_panic(list in ".*|(nats://)?[a-z%:@,]{0,20}") {
            let _ = parse(&list);
        }
    }
}
