//! The limits to the calls of clients.

use super::{Builder, invalid};
use crate::component::Tables;
use crate::connection::{CallLimit, CallLimits};
use crate::error::Result;

/// Returns the limits of the configuration and of the builder.
pub(super) fn call_limits(builder: &mut Builder, tables: &Tables) -> Result<Option<CallLimits>> {
    let config = &builder.config;
    let mut rules = Vec::new();
    if config.rate_limit.user.limit > 0 && !config.rate_limit.force_disable {
        let rule = CallLimit::new(config.rate_limit.user.limit, config.rate_limit.user.interval)?;
        rules.push((rule.per_user().answered(config.rate_limit.answer), None));
    }
    let configured =
        config.rate_limit.routes.iter().filter(|_| !config.rate_limit.force_disable).map(|limit| {
            let rule = CallLimit::new(limit.limit, limit.interval)?.route(&*limit.route);
            let rule = if limit.per_user { rule.per_user() } else { rule };
            Ok(rule.answered(config.rate_limit.answer))
        });
    let configured = configured.collect::<Result<Vec<_>>>()?;
    let own = format!("{}.", builder.server_type);
    for rule in configured.into_iter().chain(builder.call_limits.drain(..)) {
        let route = rule.full_route(&builder.server_type).transpose()?;
        if let Some(route) = &route
            && route.starts_with(&own)
            && tables.handlers.find(route.as_bytes()).is_none()
        {
            return Err(invalid(format!("call limit: this server has no handler `{route}`")));
        }
        rules.push((rule, route));
    }
    Ok(CallLimits::new(rules))
}
