//! TLS to the collector, with trusted roots, because the exporter has none.

use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig};

use crate::error::{Error, Result, code};

/// Returns the TLS configuration of an endpoint; `None` for a plain endpoint. `endpoint` overrides the environment.
///
/// # Errors
/// `PIT-500`: the file of certificates cannot be read.
pub(super) fn config(endpoint: Option<&str>) -> Result<Option<ClientTlsConfig>> {
    let endpoint = match endpoint {
        Some(endpoint) => endpoint.to_owned(),
        None => variable("ENDPOINT").map(|(_, value)| value).unwrap_or_default(),
    };
    if !is_secure(
        &endpoint,
        variable("INSECURE").is_some_and(|(_, value)| value.eq_ignore_ascii_case("true")),
    ) {
        return Ok(None);
    }
    let config = ClientTlsConfig::new();
    let Some((name, file)) = variable("CERTIFICATE") else { return Ok(Some(config.with_enabled_roots())) };
    let pem = std::fs::read(&file).map_err(|error| {
        Error::new(code::INTERNAL, format!("cannot read the file `{file}` of {name}: {error}"))
            .with_source(error)
    })?;
    Ok(Some(config.ca_certificate(Certificate::from_pem(pem))))
}

/// Returns the variable for traces, or the one for all signals, with its name.
fn variable(what: &str) -> Option<(String, String)> {
    [format!("OTEL_EXPORTER_OTLP_TRACES_{what}"), format!("OTEL_EXPORTER_OTLP_{what}")].into_iter().find_map(
        |name| std::env::var(&name).ok().filter(|value| !value.is_empty()).map(|value| (name, value)),
    )
}

/// Without a scheme an endpoint is secure unless the environment says otherwise. Without an endpoint it is the plain
/// default.
fn is_secure(endpoint: &str, insecure: bool) -> bool {
    match endpoint.split_once("://") {
        Some((scheme, _)) => scheme.eq_ignore_ascii_case("https"),
        None => !endpoint.is_empty() && !insecure,
    }
}

#[cfg(test)]
mod tests {
    use super::is_secure;

    #[test]
    fn the_scheme_decides_and_its_lack_is_secure() {
        for (endpoint, insecure, secure) in [
            ("https://collector:4317", true, true),
            ("HTTPS://collector:4317", false, true),
            ("http://collector:4317", false, false),
            ("collector:4317", false, true),
            ("collector:4317", true, false),
            ("", false, false),
        ] {
            assert_eq!(is_secure(endpoint, insecure), secure, "{endpoint} {insecure}");
        }
    }
}
