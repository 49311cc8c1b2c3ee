//! The measurements, and their table.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::super::Options;
use super::super::table::median;
use super::{Key, Work, number};

/// The most that a call may cost, as a multiple of a bare request.
const RPC: f64 = 1.3;
/// The most that a forwarded message may cost, as a multiple of a bare echo and a bare request.
const FORWARD: f64 = 1.5;
/// The messages of NATS by which a client's message reaches the server that makes the broadcast of it.
const TRIGGER: f64 = 2.0;
/// The messages of a broadcast besides: one for each frontend.
const BROADCAST: f64 = 2.0;

/// The title and the head of the table.
pub(super) fn header(options: &Options) -> String {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!(
        "{} rounds of {} s, all in turn; {processors} processors, {} threads of load. Medians; ratios of each round, \
         with their span.\n\n\
         | scenario | ops/s | p50 µs | p90 µs | p99 µs | front µs | back µs | NATS µs | load µs | messages | \
         ratio (min–max) | to reach |\n|{}",
        options.rounds,
        options.seconds,
        options.threads,
        "---|".repeat(12),
    )
}

/// The meaning of the columns.
pub(super) const FOOTER: &str = "\
`front`, `back`, `NATS`, `load`: CPU time of these processes an operation; of raw requests and calls the front is the caller. \
`messages` is what NATS took in an operation, of `fan` a broadcast, the two of the client's forwarded message \
and its answer included. The ratio is front and back against those of `raw`, of forwarded messages against the bare \
echo `tcp` and those of `raw`; rows over gRPC are compared with `raw-grpc`.";

/// The cost of one turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Costs {
    ops: f64,
    times: [f64; 3],
    front: Option<f64>,
    back: f64,
    nats: Option<f64>,
    load: Option<f64>,
    messages: f64,
}

impl Costs {
    /// Of a report that names these processes; `load` tells whether the load generator is one of its own.
    fn read(report: &Value, pids: [Option<usize>; 3]) -> Result<Self, String> {
        let of = |place: Option<usize>| place.and_then(|place| report["us_per_op"][place].as_f64());
        let [front, back, nats] = pids.map(of);
        Ok(Self {
            ops: number(report, "ops_per_second")?,
            times: [number(report, "p50_us")?, number(report, "p90_us")?, number(report, "p99_us")?],
            front,
            back: back.ok_or_else(|| format!("the report names too few processes: {report}"))?,
            nats,
            load: Some(number(report, "load_us_per_op")?),
            messages: number(report, "messages_per_op")?,
        })
    }

    pub(super) fn of_bare(report: &Value) -> Result<Self, String> {
        Self::read(report, [None, Some(0), None])
    }

    pub(super) fn of_pair(report: &Value) -> Result<Self, String> {
        Self::read(report, [Some(0), Some(1), Some(2)])
    }

    /// The load generator is the caller.
    pub(super) fn of_calls(report: &Value) -> Result<Self, String> {
        let costs = Self::read(report, [None, Some(0), Some(1)])?;
        Ok(Self { front: costs.load, load: None, ..costs })
    }

    /// Two fronts, one back; messages are those of a broadcast.
    pub(super) fn of_fan(report: &Value, members: usize) -> Result<Self, String> {
        let costs = Self::read(report, [Some(0), Some(2), Some(3)])?;
        let second = Self::read(report, [Some(1), Some(2), Some(3)])?;
        let front = costs.front.zip(second.front).map(|(one, two)| one + two);
        Ok(Self { front, messages: costs.messages * members as f64, ..costs })
    }

    /// The cost of our processes, or of those of the base.
    fn servers(&self) -> f64 {
        self.front.unwrap_or(0.0) + self.back
    }
}

/// One line.
pub(super) struct Row {
    name: String,
    key: Key,
    rounds: Vec<Costs>,
}

impl Row {
    /// Without results yet.
    pub(super) fn new(name: String, key: Key) -> Self {
        Self { name, key, rounds: Vec::new() }
    }

    fn middle(&self, of: impl Fn(&Costs) -> Option<f64>) -> Option<f64> {
        median(&self.rounds.iter().filter_map(of).collect::<Vec<_>>())
    }
}

/// All lines.
pub(super) struct Rows(BTreeMap<Key, Row>);

impl Rows {
    pub(super) fn new(rows: impl Iterator<Item = Row>) -> Self {
        Self(rows.map(|row| (row.key, row)).collect())
    }

    /// Takes the result of a turn.
    pub(super) fn add(&mut self, key: Key, costs: Costs) {
        if let Some(row) = self.0.get_mut(&key) {
            row.rounds.push(costs);
        }
    }

    /// Each round against what it is compared with.
    fn ratios(&self, row: &Row) -> Vec<f64> {
        let (in_flight, work) = row.key;
        let bases: Vec<_> = work.bases().iter().filter_map(|base| self.0.get(&(in_flight, *base))).collect();
        if bases.is_empty() {
            return Vec::new();
        }
        let of_bases =
            |round| bases.iter().map(|base| base.rounds.get(round).map(Costs::servers)).sum::<Option<f64>>();
        let rounds = row.rounds.iter().enumerate();
        rounds.filter_map(|(round, costs)| Some(costs.servers() / of_bases(round)?)).collect()
    }

    fn line(&self, row: &Row) -> String {
        let shown = |of: fn(&Costs) -> Option<f64>, digits: usize| {
            row.middle(of).map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
        };
        let ratios = self.ratios(row);
        let span = |pick: fn(f64, f64) -> f64| ratios.iter().copied().reduce(pick);
        let ratio = match (median(&ratios), span(f64::min), span(f64::max)) {
            (Some(middle), Some(least), Some(most)) => format!("{middle:.2} ({least:.2}–{most:.2})"),
            _ => "–".to_owned(),
        };
        let (target, reached, name) = match row.key.1 {
            Work::Rpc | Work::GrpcRpc => (RPC, median(&ratios), ""),
            Work::Forward | Work::GrpcForward => (FORWARD, median(&ratios), ""),
            Work::Fan => {
                (BROADCAST, row.middle(|it| Some((it.messages - TRIGGER).round())), " messages and 2")
            }
            Work::Tcp | Work::Raw | Work::RawGrpc | Work::Ask | Work::Go => (0.0, None, ""),
        };
        let target = reached.map_or_else(
            || "–".to_owned(),
            |reached| format!("{target}{name} {}", if reached > target { "short" } else { "ok" }),
        );
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {ratio} | {target} |",
            row.name,
            shown(|it| Some(it.ops), 0),
            shown(|it| Some(it.times[0]), 0),
            shown(|it| Some(it.times[1]), 0),
            shown(|it| Some(it.times[2]), 0),
            shown(|it| it.front, 2),
            shown(|it| Some(it.back), 2),
            shown(|it| it.nats, 2),
            shown(|it| it.load, 2),
            shown(|it| it.nats.map(|_| it.messages), 2),
        )
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.values().try_for_each(|row| writeln!(f, "{}", self.line(row)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn forwarded_is_compared_with_bare_programs() {
        let keys = [(64, Work::Tcp), (64, Work::Raw), (64, Work::Rpc), (64, Work::Forward)];
        let mut rows = Rows::new(keys.iter().map(|key| Row::new(super::super::name(*key), *key)));
        let report = |us: &[f64]| {
            json!({ "ops_per_second": 1.0, "p50_us": 1.0, "p90_us": 1.0, "p99_us": 1.0, "load_us_per_op": 5.0,
                    "messages_per_op": 2.0, "us_per_op": us })
        };
        for twice in [1.0, 2.0, 1.0] {
            rows.add(keys[0], Costs::of_bare(&report(&[10.0])).unwrap());
            rows.add(keys[1], Costs::of_calls(&report(&[5.0, 7.0])).unwrap());
            rows.add(keys[2], Costs::of_calls(&report(&[7.0 * twice, 7.0])).unwrap());
            rows.add(keys[3], Costs::of_pair(&report(&[20.0, 20.0 * twice, 7.0])).unwrap());
        }
        let lines = rows.to_string();
        assert!(lines.contains("| rpc-64 ") && lines.contains("| 1.20 (1.20–1.90) | 1.3 ok |"), "{lines}");
        assert!(
            lines.contains("| forward-64 ") && lines.contains("| 2.00 (2.00–3.00) | 1.5 short |"),
            "{lines}"
        );
        assert!(Costs::of_pair(&report(&[1.0])).is_err());
    }
}
