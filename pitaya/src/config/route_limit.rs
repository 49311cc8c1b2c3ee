//! Limits to the calls of single routes, as configuration defines them.

use std::time::Duration;

use super::value_type::{DurationValue, Raw, ValueType, quoted};
use crate::route;

/// At most `limit` calls of a route in any `interval`, of one connection or of one user.
///
/// `pitaya.conn.ratelimiting.answer` says whether a request over the limit is answered with `PIT-429`, and
/// `pitaya.conn.ratelimiting.forcedisable` switches these limits off. Limits that code adds are a
/// [`CallLimit`](crate::app::CallLimit).
///
/// ```
/// # use pitaya::config::Config;
/// let config = Config::parse(
///     r#"
///     [[pitaya.conn.ratelimiting.routes]]
///     route = "chat.chat.say"
///     limit = 5
///     interval = "2s"
///     peruser = true
///     "#,
/// )?;
/// assert_eq!(config.rate_limit.routes[0].limit, 5);
/// # Ok::<(), pitaya::config::ConfigError>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteLimit {
    /// The route: `server.service.method`, or `service.method` of this server's type.
    pub route: String,
    /// The number of calls, at least 1.
    pub limit: usize,
    /// The interval; 0 limits nothing.
    pub interval: Duration,
    /// Whether calls are counted by user, on all connections to this server, and not by connection.
    pub per_user: bool,
}

impl RouteLimit {
    /// At most `limit` calls of `route` by one connection in a second.
    pub fn new(route: impl Into<String>, limit: usize) -> Self {
        Self { route: route.into(), limit, interval: Duration::from_secs(1), per_user: false }
    }
}

/// Limits of routes: an array of tables, from a file only.
pub(super) struct RouteLimits;

impl ValueType for RouteLimits {
    type Value = Vec<RouteLimit>;
    const NAME: &'static str = "list of tables";

    fn parse(raw: Raw<'_>) -> Result<Self::Value, String> {
        match raw {
            Raw::Toml(toml::Value::Array(limits)) => limits.iter().map(parse).collect(),
            Raw::Toml(_) => Err("must be a list of tables".into()),
            Raw::Text(_) => Err("cannot come from the environment, only from a file or from code".into()),
        }
    }

    fn show(value: &Self::Value) -> String {
        format!("[{}]", value.iter().map(show).collect::<Vec<_>>().join(", "))
    }

    fn check(value: &Self::Value) -> Result<(), &'static str> {
        value.iter().try_for_each(check)
    }
}

const FORM: &str = "must be a list of tables `{ route = \"service.method\", limit = 5, interval = \"1s\", peruser = false }`";

fn parse(value: &toml::Value) -> Result<RouteLimit, String> {
    let toml::Value::Table(table) = value else { return Err(FORM.into()) };
    let mut limit = RouteLimit::new("", 0);
    for (key, value) in table {
        match (key.to_lowercase().as_str(), value) {
            ("route", toml::Value::String(route)) => limit.route.clone_from(route),
            ("limit", toml::Value::Integer(count)) => {
                limit.limit = usize::try_from(*count).map_err(|_| FORM)?;
            }
            ("interval", value) => limit.interval = DurationValue::parse(Raw::Toml(value))?,
            ("peruser", toml::Value::Boolean(per_user)) => limit.per_user = *per_user,
            ("route" | "limit" | "peruser", _) => return Err(FORM.into()),
            _ => return Err(format!("{FORM}: there is no `{}`", key.escape_debug())),
        }
    }
    Ok(limit)
}

fn show(limit: &RouteLimit) -> String {
    format!(
        "{{ route = {}, limit = {}, interval = {}, peruser = {} }}",
        quoted(&limit.route),
        limit.limit,
        DurationValue::show(&limit.interval),
        limit.per_user
    )
}

fn check(limit: &RouteLimit) -> Result<(), &'static str> {
    if route::parse(&limit.route).is_err() {
        return Err("limits with a `route` such as `chat.say` or `server.chat.say`");
    }
    if limit.limit == 0 {
        return Err("limits with a `limit` of at least 1");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn limits(text: &str) -> Result<Vec<RouteLimit>, String> {
        let text = format!("[[pitaya.conn.ratelimiting.routes]]\n{text}");
        let config = Config::parse(&text).and_then(|config| config.validate().map(|()| config));
        config.map(|config| config.rate_limit.routes).map_err(|error| error.to_string())
    }

    #[test]
    fn limits_of_routes_are_read_and_shown() {
        let read = limits("route = \"chat.say\"\nLimit = 3\ninterval = \"2s\"\nperUser = true").unwrap();
        let expected =
            RouteLimit { interval: Duration::from_secs(2), per_user: true, ..RouteLimit::new("chat.say", 3) };
        assert_eq!(read, [expected]);
        let shown = show(&read[0]);
        assert_eq!(shown, "{ route = \"chat.say\", limit = 3, interval = \"2s\", peruser = true }");
        let printed = format!("pitaya.conn.ratelimiting.routes = [{shown}]");
        assert_eq!(Config::parse(&printed).unwrap().rate_limit.routes, read);
        assert_eq!(limits("route = \"a.b\"\nlimit = 1").unwrap(), [RouteLimit::new("a.b", 1)]);
    }

    #[test]
    fn wrong_limits_of_routes_are_refused() {
        for (text, why) in [
            ("route = \"say\"\nlimit = 3", "`route` such as `chat.say`"),
            ("limit = 3", "`route` such as `chat.say`"),
            ("route = \"a.b\"", "a `limit` of at least 1"),
            ("route = \"a.b\"\nlimit = -1", "limit = 5"),
            ("route = \"a.b\"\nlimit = \"1\"", "limit = 5"),
            ("route = \"a.b\"\nlimit = 1\ninterval = 5", "has no unit"),
            ("route = \"a.b\"\nlimit = 1\nrate = 5", "there is no `rate`"),
        ] {
            let error = limits(text).unwrap_err();
            assert!(
                error.contains("pitaya.conn.ratelimiting.routes") && error.contains(why),
                "{text}: {error}"
            );
        }
    }
}
