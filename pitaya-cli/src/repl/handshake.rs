//! The handshake data that the REPL sends.

use pitaya::client::Builder;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::command::Setting;

/// The handshake of the next connection. The first values are those of Go Pitaya's REPL.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Handshake {
    sys: Sys,
    user: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Sys {
    platform: String,
    lib_version: String,
    client_build_number: String,
    client_version: String,
}

impl Default for Sys {
    fn default() -> Self {
        Self {
            platform: "repl".to_owned(),
            lib_version: "0.3.5-release".to_owned(),
            client_build_number: "20".to_owned(),
            client_version: "1.0.0".to_owned(),
        }
    }
}

impl Default for Handshake {
    fn default() -> Self {
        Self { sys: Sys::default(), user: Map::from_iter([("client".to_owned(), "repl".into())]) }
    }
}

/// The JSON of `sethandshake`. A part that is absent stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    sys: Option<Map<String, Value>>,
    user: Option<Map<String, Value>>,
}

impl Handshake {
    /// Sets a part. A wrong one changes nothing.
    pub(crate) fn set(&mut self, setting: &Setting) -> Result<(), String> {
        match setting {
            Setting::Platform(value) => self.sys.platform.clone_from(value),
            Setting::Version(value) => self.sys.client_version.clone_from(value),
            Setting::BuildNumber(value) => self.sys.client_build_number.clone_from(value),
            Setting::Json(json) => {
                let parts: Parts =
                    serde_json::from_str(json).map_err(|error| format!("the handshake: {error}"))?;
                if let Some(sys) = parts.sys {
                    self.sys = self.sys.with(sys)?;
                }
                if let Some(user) = parts.user {
                    self.user = user;
                }
            }
        }
        Ok(())
    }

    /// Sets the user data.
    pub(crate) fn set_user(&mut self, json: &str) -> Result<(), String> {
        self.user = serde_json::from_str(json).map_err(|error| format!("the user data: {error}"))?;
        Ok(())
    }

    /// Returns a builder of clients with this handshake.
    pub(crate) fn builder(&self) -> Builder {
        pitaya::client::Client::builder()
            .platform(&self.sys.platform)
            .lib_version(&self.sys.lib_version)
            .client_build_number(&self.sys.client_build_number)
            .client_version(&self.sys.client_version)
            .handshake_user(&self.user)
    }
}

impl Sys {
    /// Returns these values with some replaced.
    fn with(&self, values: Map<String, Value>) -> Result<Self, String> {
        let new: Self = serde_json::from_value(Value::Object(values.clone()))
            .map_err(|error| format!("the handshake: {error}"))?;
        let pick = |key: &str, new: String, old: &String| {
            if values.contains_key(key) { new } else { old.clone() }
        };
        Ok(Self {
            platform: pick("platform", new.platform, &self.platform),
            lib_version: pick("libVersion", new.lib_version, &self.lib_version),
            client_build_number: pick(
                "clientBuildNumber",
                new.client_build_number,
                &self.client_build_number,
            ),
            client_version: pick("clientVersion", new.client_version, &self.client_version),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_replaces_only_what_it_has() {
        let mut handshake = Handshake::default();
        let json = r#"{"sys": {"platform": "ios"}, "user": {"token": "a b"}}"#;
        handshake.set(&Setting::Json(json.to_owned())).unwrap();
        assert_eq!(
            (handshake.sys.platform.as_str(), handshake.sys.client_version.as_str()),
            ("ios", "1.0.0")
        );
        assert_eq!(handshake.user["token"], "a b");
        handshake.set(&Setting::Version("2".to_owned())).unwrap();
        handshake.set(&Setting::Json("{}".to_owned())).unwrap();
        assert_eq!((handshake.sys.platform.as_str(), handshake.sys.client_version.as_str()), ("ios", "2"));
    }

    #[test]
    fn wrong_json_changes_nothing() {
        let mut handshake = Handshake::default();
        for json in ["{", r#"{"sys": {"colour": "red"}}"#, r#"{"user": 1}"#, r#"{"sys": {"platform": 1}}"#] {
            assert!(handshake.set(&Setting::Json(json.to_owned())).is_err(), "{json}");
        }
        assert!(handshake.set_user("[]").is_err());
        assert_eq!(handshake, Handshake::default());
    }
}
