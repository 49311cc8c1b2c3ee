//! The keys in Redis: those of Go Pitaya, and four of this library's own.

/// The queue of reliable RPC.
pub(crate) const QUEUE: &str = "rpc";

/// The keys of one namespace.
///
/// `heartbeat`, `workers`, `dead` and `once` are unknown to Go Pitaya, which ignores them.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// `name:`, or empty.
    prefix: String,
    /// The set of the names of all queues.
    pub(crate) queues: String,
    /// The list of waiting jobs.
    pub(crate) queue: String,
    /// The sorted set of failed jobs that run again.
    pub(crate) retry: String,
    /// The sorted set of jobs that run later.
    pub(crate) schedule: String,
    /// The sorted set of dead jobs: those that will not run again.
    pub(crate) dead: String,
    /// The set of the ids of all workers of this library.
    pub(crate) workers: String,
}

impl Keys {
    pub(crate) fn new(namespace: &str) -> Self {
        let prefix = if namespace.is_empty() { String::new() } else { format!("{namespace}:") };
        Self {
            queues: format!("{prefix}queues"),
            queue: format!("{prefix}queue:{QUEUE}"),
            retry: format!("{prefix}goretry"),
            schedule: format!("{prefix}schedule"),
            dead: format!("{prefix}godead"),
            workers: format!("{prefix}pitaya:workers"),
            prefix,
        }
    }

    /// The list of the jobs that the worker with this id runs.
    pub(crate) fn in_progress(&self, worker: &str) -> String {
        format!("{}:{worker}:inprogress", self.queue)
    }

    /// The key that exists while the worker with this id is alive.
    pub(crate) fn heartbeat(&self, worker: &str) -> String {
        format!("{}pitaya:worker:{worker}", self.prefix)
    }

    /// The key that records the run of a job with this idempotency key.
    pub(crate) fn once(&self, key: &str) -> String {
        format!("{}pitaya:once:{key}", self.prefix)
    }

    /// The list of a queue by the name that a job carries: Go Pitaya puts the namespace before it after a failure.
    pub(crate) fn list_of(&self, queue: &str) -> String {
        let name = queue.strip_prefix(&self.prefix).unwrap_or(queue);
        format!("{}queue:{}", self.prefix, if name.is_empty() { QUEUE } else { name })
    }

    /// The name of the queue as a failed job carries it.
    pub(crate) fn queue_name(&self) -> String {
        format!("{}{QUEUE}", self.prefix)
    }

    /// The counters of runs that succeeded or failed: of all time, and of a day such as `2026-11-30`.
    pub(crate) fn counters(&self, outcome: &str, day: &str) -> [String; 2] {
        let all = self.counter(outcome);
        let daily = format!("{all}:{day}");
        [all, daily]
    }

    /// The counter of all runs that succeeded (`processed`) or failed (`failed`).
    pub(crate) fn counter(&self, outcome: &str) -> String {
        format!("{}stat:{outcome}", self.prefix)
    }
}
