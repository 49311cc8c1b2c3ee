//! The keys without effect: those of parts that this version does not have, and those that tune parts which work
//! differently here. They are typed and checked like the others, so that a file of Go Pitaya loads and its mistakes are
//! still found. They have no field.

use std::time::Duration;

use super::key::{Key, Rule};
use super::value_type::{Count, DurationValue, Flag, Raw, Text, ValueType};

const DISPATCH: &str = "sessions never wait for each other here: there are no shared dispatch queues to size";
const ONE_CONNECTION: &str = "one connection serves both directions: set the key of the client";
const TASKS: &str = "every call has a task of its own, and every session a queue of its own";
const HEARTBEATS: &str = "renewals are logged at the level trace";
const ONE_READING: &str = "the list is read whole, with one request";
const NEVER: &str = "the client library used here has no such setting";
const ONE_REDIS: &str = "one connection carries all commands, and a worker has a second one to fetch jobs";

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Checks a value and returns it as it is printed.
fn seen<K: ValueType>(raw: Raw<'_>, rule: &Rule<K::Value>) -> Result<String, String> {
    let value = K::parse(raw)?;
    rule.check::<K>(&value).map_err(|allowed| format!("must be {allowed}"))?;
    Ok(K::show(&value))
}

macro_rules! ignored {
    ($($name:literal: $value:ty = $default:expr, $why:expr, $help:literal $(, $rule:ident($($arg:expr),*))*;)+) => {
        /// The rows, in the order they are printed.
        pub(super) static IGNORED: &[Key] = &[$({
            const RULE: Rule<<$value as ValueType>::Value> = Rule::new()$(.$rule($($arg),*))*;
            Key {
                name: $name,
                help: $help,
                type_name: <$value as ValueType>::NAME,
                table: <$value as ValueType>::TABLE,
                aliases: RULE.aliases,
                allowed: RULE.text(),
                secret: RULE.secret,
                addresses: RULE.addresses,
                no_effect: Some($why),
                read: |config, raw| {
                    config.loaded.ignored.insert($name, seen::<$value>(raw, &RULE)?);
                    Ok(())
                },
                show: |config| match config.loaded.ignored.get($name) {
                    Some(text) => text.clone(),
                    None => <$value as ValueType>::show(&$default.into()),
                },
                check: |_| Ok(()), // reading has checked it, and code cannot set it
            }
        }),+];
    };
}

ignored! {
    "pitaya.buffer.handler.localprocess": Count<u32> = 20u32, DISPATCH, "Size of the queue of local messages.";
    "pitaya.buffer.handler.remoteprocess": Count<u32> = 20u32, DISPATCH, "Size of the queue of messages to forward.";
    "pitaya.concurrency.handler.dispatch": Count<u32> = 25u32, DISPATCH, "Number of dispatchers.";

    "pitaya.cluster.rpc.client.nats.websocketcompression": Flag = true, NEVER, "Compresses NATS over WebSocket.";
    "pitaya.cluster.rpc.client.nats.reconnectjittertls": DurationValue = secs(1), NEVER, "The same with TLS.";

    "pitaya.cluster.rpc.server.nats.connect": Text = "nats://localhost:4222", ONE_CONNECTION, "Addresses of NATS.",
        allowed("an address", |v: &String| !v.trim().is_empty()), addresses();
    "pitaya.cluster.rpc.server.nats.services": Count<u32> = 30u32, TASKS, "RPCs served at the same time.";
    "pitaya.cluster.rpc.server.nats.connectiontimeout": DurationValue = secs(2), ONE_CONNECTION, "The longest a connection may take.";
    "pitaya.cluster.rpc.server.nats.maxreconnectionretries": Count<i64> = 15, ONE_CONNECTION, "Attempts to connect.",
        allowed("at least -1", |v| *v >= -1);
    "pitaya.cluster.rpc.server.nats.websocketcompression": Flag = true, NEVER, "Compresses NATS over WebSocket.";
    "pitaya.cluster.rpc.server.nats.reconnectjitter": DurationValue = millis(100), ONE_CONNECTION, "Random part of the pause between attempts.";
    "pitaya.cluster.rpc.server.nats.reconnectjittertls": DurationValue = secs(1), ONE_CONNECTION, "The same with TLS.";
    "pitaya.cluster.rpc.server.nats.reconnectwait": DurationValue = secs(1), ONE_CONNECTION, "Pause between attempts.";
    "pitaya.cluster.rpc.server.nats.pinginterval": DurationValue = secs(120), ONE_CONNECTION, "Pause between pings.";
    "pitaya.cluster.rpc.server.nats.maxpingsoutstanding": Count<u32> = 3u32, ONE_CONNECTION, "Pings without an answer before a reconnect.";
    "pitaya.cluster.rpc.server.nats.buffer.push": Count<u32> = 100u32, TASKS, "Size of the queue of pushes.",
        allowed("at least 1", |v| *v >= 1);

    "pitaya.cluster.sd.etcd.heartbeat.log": Flag = false, HEARTBEATS, "Logs renewals.";
    "pitaya.cluster.sd.etcd.syncservers.parallelism": Count<u32> = 10u32, ONE_READING, "Servers read at the same time.";

    "pitaya.worker.redis.pool": Count<u32> = 10u32, ONE_REDIS, "Connections to Redis.";
}
