//! Configuration: one typed table of every key.
//!
//! A [`Config`] is a plain struct with a struct for each section. Its values come from layers, each over the one before:
//! defaults, a TOML file, the environment, and what code sets on the struct.
//!
//! ```
//! use std::time::Duration;
//! use pitaya::config::Config;
//!
//! let mut config = Config::parse(r#"
//!     [pitaya.heartbeat]
//!     interval = "10s"
//! "#)?;
//! assert_eq!(config.heartbeat_interval, Duration::from_secs(10));
//!
//! config.session.outbox.bytes = 256 * 1024;
//! config.validate()?;
//! # Ok::<(), pitaya::config::ConfigError>(())
//! ```
//!
//! **Fields.** A field has the name of its key: `pitaya.session.outbox.bytes` is `config.session.outbox.bytes`. A table
//! with one key has no struct, so `pitaya.heartbeat.interval` is `config.heartbeat_interval`. Five tables have a shorter
//! name: `pitaya.cluster.rpc.client.nats` is [`config.nats`](NatsConfig), `pitaya.cluster.sd.etcd` is
//! [`config.etcd`](EtcdConfig), `pitaya.conn.ratelimiting` is [`config.rate_limit`](RateLimitConfig),
//! `pitaya.buffer.agent` is [`config.agent`](AgentConfig), and `pitaya.handler.messages` has the prefix `message_`.
//! Code starts from [`Config::default`] and sets fields, because more fields may come.
//!
//! **Names.** Keys have the names of Go Pitaya, compared without regard to case. Tables and dotted names are the same.
//! Where Go Pitaya's documentation and code disagree, both names are read; different values for both in one layer are an
//! error. The variable of a key is its name in capitals with `_` for dots:
//! `pitaya.heartbeat.interval` is `PITAYA_HEARTBEAT_INTERVAL`. An empty variable is as if it were not set.
//!
//! **Values.** A duration is a text such as `"1m30s"`, `"300ms"` or `"1.5h"`; a bare number but `0` is refused,
//! because it would not say its unit. A size is a number of bytes, or a text such as `"64KiB"`. A list may be a
//! text with commas, a table of labels a text `name=value,name=value`.
//!
//! **Mistakes.** All mistakes are reported together, with key, value, source and what is allowed
//! ([`ConfigError`]). Unknown keys and keys without effect are not errors: they are [`Config::notes`], which the app
//! logs when it starts.
//!
//! One key's name is the beginning of another's, which one TOML table cannot express. These are the same:
//!
//! ```toml
//! [pitaya.handler.messages]
//! compression = true
//! "compression.threshold" = 128
//! ```
//! ```toml
//! [pitaya.handler.messages]
//! compression = { enabled = true, threshold = 128 }
//! ```

use std::ffi::OsString;
use std::path::Path;

mod choices;
mod custom;
#[macro_use]
mod define;
mod error;
mod ignored;
mod key;
mod load;
mod loaded;
mod print;
mod route_limit;
mod suggest;
mod table;
#[cfg(test)]
mod tests;
mod value_type;

pub use choices::{OutboxPolicy, RpcTransport, SerializerType, StatsdDialect};
pub use custom::CustomMetric;
pub use error::{ConfigError, Origin, Problem};
pub use print::print_if_asked;
pub use route_limit::RouteLimit;
pub use table::{
    AcceptorConfig, AgentConfig, BindingStorageConfig, BindingStorageEtcdConfig, Config, CustomMetricsConfig,
    DrainConfig, EtcdConfig, GrantLeaseConfig, GroupsConfig, GroupsEtcdConfig, GrpcConfig, GrpcTlsConfig,
    LimitConfig, MetricsConfig, NatsConfig, NatsTlsConfig, OutboxConfig, PrometheusConfig, RateLimitConfig,
    RedisConfig, RedisTlsConfig, RetryConfig, SessionConfig, StatsdConfig, UserRateLimitConfig, WorkerConfig,
    WsConfig,
};
pub(crate) use value_type::is_label_name;

use key::Key;
use load::Loader;

/// Returns all keys: those with an effect, then those without.
fn keys() -> impl Iterator<Item = &'static Key> {
    table::PARTS.iter().flat_map(|(_, keys)| *keys).chain(ignored::IGNORED)
}

impl Config {
    /// Loads the defaults, then a file, then the environment.
    ///
    /// # Errors
    /// The file cannot be read or is not TOML, or any value is not allowed. The error lists all problems.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Self::load_with(path.as_ref(), std::env::vars_os())
    }

    /// Loads the defaults, then the environment.
    ///
    /// # Errors
    /// A variable has a value that is not allowed. The error lists all problems.
    pub fn from_env() -> Result<Self, ConfigError> {
        let mut loader = Loader::new();
        loader.env(std::env::vars_os());
        loader.finish()
    }

    /// Loads the defaults, then a TOML text. Does not read the environment.
    ///
    /// # Errors
    /// The text is not TOML, or any value is not allowed. The error lists all problems.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Self::parse_with(text, [])
    }

    fn load_with(
        path: &Path,
        env: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Problem::Unreadable { path: shown.clone(), why: error.to_string() })?;
        let mut loader = Loader::new();
        loader.file(&shown, &text);
        loader.env(env);
        loader.finish()
    }

    pub(crate) fn parse_with(
        text: &str,
        env: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut loader = Loader::new();
        loader.file("(text)", text);
        loader.env(env);
        loader.finish()
    }

    /// Checks every value again, because code may have set fields since loading. The app does so when it starts.
    ///
    /// # Errors
    /// Any value is not allowed. The error lists all problems.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::unless_empty(self.problems())
    }

    /// Returns warnings: unknown keys, with the name that was probably meant, and keys without effect whose value is not
    /// the default.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.loaded.notes
    }

    fn problems(&self) -> Vec<Problem> {
        let problem = |key: &Key| {
            let allowed = (key.check)(self).err()?;
            Some(Problem::Value {
                key: key.name.to_owned(),
                value: key.mask(&(key.show)(self)),
                origin: self.origin(key),
                why: format!("must be {allowed}"),
            })
        };
        keys().filter_map(problem).collect()
    }

    /// Returns what set a key. A value that differs from the loaded one was set by code.
    fn origin(&self, key: &Key) -> Origin {
        let now = (key.show)(self);
        match self.loaded.set.get(key.name) {
            Some((origin, then)) if *then == now => origin.clone(),
            None if now == (key.show)(&Self::default()) => Origin::Default,
            _ => Origin::Code,
        }
    }
}
