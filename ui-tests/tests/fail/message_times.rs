//! A span of time without a form.
use pitaya::prelude::*;

#[message]
struct Times {
    //~v MISTAKE
    plain: std::time::Duration,
}

fn main() {}
