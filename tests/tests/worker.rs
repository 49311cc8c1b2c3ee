//! Reliable RPC over a real Redis: runs, retries, dead jobs, delays, keys, limits and outages.

use std::time::Duration;

use pitaya::config::Config;
use pitaya::prelude::*;
use pitaya_tests::redis::Redis;
use redis::cmd;
use serde_json::{Value, json};

#[path = "worker/meta.rs"]
mod meta;

#[path = "worker/bad_input.rs"]
mod bad_input;
#[path = "worker/example.rs"]
mod example;
#[path = "worker/idempotent.rs"]
mod idempotent;
#[path = "worker/interop.rs"]
mod interop;
#[path = "worker/killed.rs"]
mod killed;
#[path = "worker/outages.rs"]
mod outages;
#[path = "worker/runs.rs"]
mod runs;
#[path = "worker/speed.rs"]
mod speed;
#[path = "worker/typed.rs"]
mod typed;

const MILLIS: Duration = Duration::from_millis(1);
