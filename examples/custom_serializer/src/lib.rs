//! A custom serializer: indented JSON, under a name that clients read in the handshake.

use pitaya::acceptor::Tcp;
use pitaya::app::Builder;
use pitaya::config::Config;
use pitaya::prelude::*;
use pitaya::serialize::CustomSerializer;

/// Indented JSON.
#[derive(Debug)]
pub struct PrettyJson;

impl CustomSerializer for PrettyJson {
    fn name(&self) -> &str {
        "pretty-json"
    }

    fn serialize(
        &self,
        value: &dyn erased_serde::Serialize,
        out: &mut Vec<u8>,
    ) -> Result<(), pitaya::BoxError> {
        Ok(serde_json::to_writer_pretty(out, value)?)
    }

    fn deserialize(
        &self,
        body: &[u8],
        visit: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), pitaya::BoxError> {
        let mut json = serde_json::Deserializer::from_slice(body);
        visit(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut json))?;
        Ok(json.end()?)
    }
}

/// Two numbers to add.
#[message]
pub struct Add {
    /// The first number.
    pub a: i64,
    /// The second number.
    pub b: i64,
}

/// The answer to [`Add`].
#[message]
pub struct Sum {
    /// The sum.
    pub sum: i64,
}

/// The component with the handlers.
#[derive(Debug, Component)]
pub struct Calculator;

#[handler(server = "calc")]
impl Calculator {
    /// Returns the sum of two numbers.
    pub async fn add(&self, msg: Add) -> Result<Sum> {
        let sum = msg.a.checked_add(msg.b).ok_or_else(|| Error::new("CALC-001", "too large"))?;
        Ok(Sum { sum })
    }
}

/// Returns the app, which listens on `address`.
pub fn app(config: Config, address: &str) -> Builder {
    App::builder().config(config).server_type("calc").serializer(PrettyJson).acceptor(Tcp::new(address))
}
