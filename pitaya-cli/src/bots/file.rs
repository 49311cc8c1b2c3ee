//! The scenario file, as it is written.
//!
//! It is YAML, because steps are lists in lists with free data, which TOML writes as long inline tables.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use serde_saphyr::Spanned;

use crate::client::duration;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) server: Option<String>,
    #[serde(default)]
    pub(super) load: LoadFile,
    pub(super) timeout: Option<Time>,
    #[serde(default)]
    pub(super) seed: u64,
    #[serde(default)]
    pub(super) setup: Vec<Spanned<StepFile>>,
    pub(super) steps: Vec<Spanned<StepFile>>,
    #[serde(default)]
    pub(super) thresholds: ThresholdsFile,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoadFile {
    pub(super) bots: Option<u32>,
    pub(super) rate: Option<Rate>,
    pub(super) ramp: Option<Time>,
    pub(super) duration: Option<Time>,
    pub(super) runs: Option<u64>,
}

/// A step. It has one of the first seven keys.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StepFile {
    pub(super) connect: Option<Value>,
    pub(super) disconnect: Option<Value>,
    pub(super) request: Option<String>,
    pub(super) notify: Option<String>,
    pub(super) expect: Option<String>,
    pub(super) think: Option<Think>,
    #[serde(rename = "loop")]
    pub(super) repeat: Option<u64>,
    pub(super) data: Option<Value>,
    #[serde(rename = "where")]
    pub(super) condition: Option<BTreeMap<String, Value>>,
    pub(super) save: Option<BTreeMap<String, String>>,
    pub(super) within: Option<Time>,
    pub(super) steps: Option<Vec<Spanned<Self>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ThresholdsFile {
    pub(super) p50: Option<Time>,
    pub(super) p90: Option<Time>,
    pub(super) p99: Option<Time>,
    pub(super) max: Option<Time>,
    pub(super) errors: Option<Share>,
    pub(super) rate: Option<Rate>,
}

/// A duration, such as `500ms`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time(pub(super) Duration);

/// A duration, or a random one between two: `1s..3s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Think(pub(super) Duration, pub(super) Duration);

/// A number a second: `200/s`, or `600/m` a minute.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate(pub(super) f64);

/// A share: `0.5%`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share(pub(super) f64);

fn parsed<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, |text| duration(text).map(Self))
    }
}

impl<'de> Deserialize<'de> for Think {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, |text| {
            let (from, to) = text.split_once("..").unwrap_or((text, text));
            let (from, to) = (duration(from.trim())?, duration(to.trim())?);
            if from > to { Err(format!("`{text}` ends before it begins")) } else { Ok(Self(from, to)) }
        })
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, rate).map(Self)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, |text| {
            let percent = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
            match percent {
                Some(percent) if (0.0..=100.0).contains(&percent) => Ok(Self(percent / 100.0)),
                _ => Err(format!("`{text}` is not a share such as `0.5%`")),
            }
        })
    }
}

/// Reads a rate: the number a second.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is not a rate such as `200/s`");
    let (number, unit) = text.split_once('/').ok_or_else(wrong)?;
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    let seconds = match unit.trim() {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let rate = number / seconds;
    if (1e-6..=1e7).contains(&rate) { Ok(rate) } else { Err(wrong()) }
}
