//! The checked scenario, as bots run it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use serde_saphyr::Spanned;

use super::file::{File, StepFile, Think, ThresholdsFile};
use super::template::{Template, is_name};
use crate::client::Address;

/// The deepest loop in a loop.
const MAX_DEPTH: usize = 16;
const MAX_BOTS: u32 = 1_000_000;

/// A scenario.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) server: Option<Address>,
    pub(super) load: Load,
    pub(super) timeout: Duration,
    pub(super) seed: u64,
    pub(super) setup: Vec<Step>,
    pub(super) steps: Vec<Step>,
    pub(super) thresholds: ThresholdsFile,
    /// The names of the steps that are measured. Steps of one kind and route are one.
    pub(super) labels: Vec<String>,
    /// The routes of pushes that steps expect.
    pub(super) expected: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Load {
    pub(super) bots: u32,
    /// The runs that begin each second, of all bots together. Without it each bot begins a run when the last one is done.
    pub(super) rate: Option<f64>,
    pub(super) ramp: Duration,
    pub(super) duration: Option<Duration>,
    /// The runs of each bot.
    pub(super) runs: Option<u64>,
}

/// A step of a bot.
#[derive(Debug)]
pub(super) struct Step {
    /// The index of its name in [`Plan::labels`], of its kind.
    pub(super) label: usize,
    pub(super) action: Action,
    pub(super) conditions: Vec<(String, Template)>,
    pub(super) save: Vec<(String, String)>,
}

#[derive(Debug)]
pub(super) enum Action {
    Connect(Template),
    Disconnect,
    Request {
        route: String,
        data: Option<Template>,
    },
    Notify {
        route: String,
        data: Option<Template>,
    },
    /// The index is that of [`Plan::expected`].
    Expect {
        route: usize,
        within: Option<Duration>,
    },
    Think(Think),
    Loop {
        times: u64,
        steps: Vec<Step>,
    },
}

impl Plan {
    /// Reads a scenario. The error has the line.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        // Otherwise `no` and `off` would be booleans.
        let options = serde_saphyr::options! { strict_booleans: true };
        let file: File =
            serde_saphyr::from_str_with_options(text, options).map_err(|error| explain(&error))?;
        let mut reader = Reader::default();
        let mut setup = reader.steps(&file.setup, 0)?;
        let steps = reader.steps(&file.steps, 0)?;
        if steps.is_empty() {
            return Err("`steps` has no steps".to_owned());
        }
        if !takes_time(&steps) {
            return Err("`steps` has no step that takes time, so that bots would only use up the processor"
                .to_owned());
        }
        if !connects(&setup) && !connects(&steps) {
            let label = reader.label("connect".to_owned());
            let action = Action::Connect(Template::Fixed(Value::Null));
            setup.insert(0, Step { label, action, conditions: Vec::new(), save: Vec::new() });
        }
        if let Some((name, line)) = reader.used.iter().find(|(name, _)| !reader.saved.contains(*name)) {
            return Err(format!("line {line}: no step saves `${{{name}}}`"));
        }
        let load = Load {
            bots: file.load.bots.unwrap_or(1),
            rate: file.load.rate.map(|rate| rate.0),
            ramp: file.load.ramp.map(|time| time.0).unwrap_or_default(),
            duration: file.load.duration.map(|time| time.0),
            runs: file.load.runs,
        };
        Ok(Self {
            server: file
                .server
                .map(|server| server.parse())
                .transpose()
                .map_err(|e| format!("`server`: {e}"))?,
            load,
            timeout: file.timeout.map_or(Duration::from_secs(5), |time| time.0),
            seed: file.seed,
            setup,
            steps,
            thresholds: file.thresholds,
            labels: reader.labels,
            expected: reader.expected,
        })
    }
}

impl Load {
    /// Fails if the load has no end or contradicts itself.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.bots == 0 || self.bots > MAX_BOTS {
            return Err(format!("`bots` must be from 1 to {MAX_BOTS}"));
        }
        match (self.rate, self.duration, self.runs) {
            (_, None, None) => Err("the load has no end: give `duration` or `runs`".to_owned()),
            (_, Some(Duration::ZERO), _) | (_, _, Some(0)) => {
                Err("`duration` and `runs` must not be zero".to_owned())
            }
            (Some(_), None, _) => Err("a `rate` needs a `duration`".to_owned()),
            (Some(_), _, Some(_)) => Err("`rate` and `runs` exclude each other".to_owned()),
            _ => Ok(()),
        }
    }
}

/// Returns the text of an error, with the line.
fn explain(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    match error.location() {
        Some(place) if !text.contains("line ") => format!("line {}: {text}", place.line()),
        _ => text,
    }
}

/// Reads steps, and collects what they name.
#[derive(Default)]
struct Reader {
    labels: Vec<String>,
    expected: Vec<String>,
    saved: BTreeSet<String>,
    /// The saved values that steps use, with a line.
    used: BTreeMap<String, u64>,
}

impl Reader {
    fn steps(&mut self, steps: &[Spanned<StepFile>], depth: usize) -> Result<Vec<Step>, String> {
        steps
            .iter()
            .map(|step| {
                let line = step.referenced.line();
                self.step(&step.value, line, depth).map_err(|why| match why.starts_with("line ") {
                    true => why,
                    false => format!("line {line}: {why}"),
                })
            })
            .collect()
    }

    fn step(&mut self, step: &StepFile, line: u64, depth: usize) -> Result<Step, String> {
        let keys = [
            ("connect", step.connect.is_some()),
            ("disconnect", step.disconnect.is_some()),
            ("request", step.request.is_some()),
            ("notify", step.notify.is_some()),
            ("expect", step.expect.is_some()),
            ("think", step.think.is_some()),
            ("loop", step.repeat.is_some()),
        ];
        let given: Vec<_> = keys.iter().filter(|(_, given)| *given).map(|(key, _)| *key).collect();
        let [kind] = given[..] else {
            let all = keys.map(|(key, _)| key).join(", ");
            return Err(match given.is_empty() {
                true => format!("a step has one of {all}"),
                false => format!("a step has only one of {}", given.join(", ")),
            });
        };
        let only = |key: &str, given: bool, kinds: &[&str]| match given && !kinds.contains(&kind) {
            true => Err(format!("`{key}` belongs to {}, not to {kind}", kinds.join(", "))),
            false => Ok(()),
        };
        only("data", step.data.is_some(), &["request", "notify"])?;
        only("where", step.condition.is_some(), &["request", "expect"])?;
        only("save", step.save.is_some(), &["request", "expect"])?;
        only("within", step.within.is_some(), &["expect"])?;
        only("steps", step.steps.is_some(), &["loop"])?;
        let data = step.data.as_ref().map(|data| self.template(data, line)).transpose()?;
        let conditions = step.condition.iter().flatten();
        let conditions = conditions
            .map(|(pointer, value)| Ok((checked_pointer(pointer)?, self.template(value, line)?)))
            .collect::<Result<_, String>>()?;
        let save: Vec<_> = step
            .save
            .iter()
            .flatten()
            .map(|(name, pointer)| match is_name(name) {
                true => Ok((name.clone(), checked_pointer(pointer)?)),
                false => Err(format!("`{name}` cannot be the name of a saved value")),
            })
            .collect::<Result<_, String>>()?;
        self.saved.extend(save.iter().map(|(name, _)| name.clone()));
        let (label, action) = self.action(step, kind, data, line, depth)?;
        Ok(Step { label: self.label(label), action, conditions, save })
    }

    fn action(
        &mut self,
        step: &StepFile,
        kind: &str,
        data: Option<Template>,
        line: u64,
        depth: usize,
    ) -> Result<(String, Action), String> {
        let action = if let Some(user) = &step.connect {
            if !user.is_object() && !user.is_null() {
                return Err("the data of `connect` must be a map".to_owned());
            }
            Action::Connect(self.template(user, line)?)
        } else if let Some(route) = &step.request {
            Action::Request { route: checked_route(route)?, data }
        } else if let Some(route) = &step.notify {
            Action::Notify { route: checked_route(route)?, data }
        } else if let Some(route) = &step.expect {
            let route = checked_route(route)?;
            let at = self.expected.iter().position(|other| *other == route).unwrap_or_else(|| {
                self.expected.push(route);
                self.expected.len() - 1
            });
            Action::Expect { route: at, within: step.within.map(|time| time.0) }
        } else if let Some(think) = step.think {
            Action::Think(think)
        } else if let Some(times) = step.repeat {
            if depth >= MAX_DEPTH {
                return Err(format!("loops are more than {MAX_DEPTH} deep"));
            }
            let steps = self.steps(step.steps.as_deref().unwrap_or_default(), depth + 1)?;
            if times == 0 || steps.is_empty() {
                return Err("a loop has `steps`, and repeats them at least once".to_owned());
            }
            Action::Loop { times, steps }
        } else {
            Action::Disconnect
        };
        let route = step.request.as_ref().or(step.notify.as_ref()).or(step.expect.as_ref());
        Ok((route.map_or_else(|| kind.to_owned(), |route| format!("{kind} {route}")), action))
    }

    fn template(&mut self, value: &Value, line: u64) -> Result<Template, String> {
        let template = Template::parse(value)?;
        let mut names = BTreeSet::new();
        template.names(&mut names);
        for name in names {
            self.used.entry(name.to_owned()).or_insert(line);
        }
        Ok(template)
    }

    fn label(&mut self, label: String) -> usize {
        self.labels.iter().position(|other| *other == label).unwrap_or_else(|| {
            self.labels.push(label);
            self.labels.len() - 1
        })
    }
}

fn checked_route(route: &str) -> Result<String, String> {
    match route.is_empty() || route.contains(char::is_whitespace) {
        true => Err(format!("`{route}` is no route")),
        false => Ok(route.to_owned()),
    }
}

/// Checks a JSON pointer.
fn checked_pointer(pointer: &str) -> Result<String, String> {
    match pointer.is_empty() || pointer.starts_with('/') {
        true => Ok(pointer.to_owned()),
        false => Err(format!("`{pointer}` is no JSON pointer such as `/id`")),
    }
}

fn connects(steps: &[Step]) -> bool {
    steps.iter().any(|step| match &step.action {
        Action::Connect(_) => true,
        Action::Loop { steps, .. } => connects(steps),
        _ => false,
    })
}

/// Returns whether a run waits for anything.
fn takes_time(steps: &[Step]) -> bool {
    steps.iter().any(|step| match &step.action {
        Action::Think(Think(from, _)) => !from.is_zero(),
        Action::Loop { steps, .. } => takes_time(steps),
        Action::Disconnect | Action::Notify { .. } => false,
        Action::Connect(_) | Action::Request { .. } | Action::Expect { .. } => true,
    })
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
