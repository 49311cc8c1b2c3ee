//! Brokers that demand a password, and what happens to them.

use pitaya_tests::nats::Nats;
use pitaya_tests::tcp_proxy::TcpProxy;

use crate::driver::{Fault, Service};

/// The password of the user `game`.
pub(crate) const PASS: &str = "s3cret";

/// One broker or three, with a proxy to each.
pub(crate) struct NatsService {
    brokers: Vec<Nats>,
    proxies: Vec<TcpProxy>,
    /// Whether clients are to learn of other brokers. Those are reached without a proxy.
    pub(crate) learns: bool,
}

fn config(pass: &str) -> String {
    format!("authorization {{ user: game, password: \"{pass}\" }}")
}

impl NatsService {
    /// The addresses for the client under test.
    pub(crate) fn addresses(&self) -> String {
        let cabled = self.proxies.iter().map(|proxy| format!("nats://game:{PASS}@{}", proxy.address()));
        let direct = self.brokers.iter().map(|broker| broker.url_with(&format!("game:{PASS}@")));
        let all: Vec<_> = if self.learns { direct.collect() } else { cabled.collect() };
        all.join(",")
    }
}

impl Service for NatsService {
    async fn start(fault: Fault) -> Self {
        let brokers = match fault {
            Fault::OneDown | Fault::AllReplaced => Nats::start_three(&config(PASS)).await,
            _ => vec![Nats::start_with(&config(PASS), &[]).await],
        };
        let mut proxies = Vec::new();
        for broker in &brokers {
            proxies.push(TcpProxy::to(broker.port()).await);
        }
        Self { brokers, proxies, learns: fault == Fault::AllReplaced }
    }

    async fn begin(&mut self, fault: Fault) {
        let broker = &mut self.brokers[0];
        match fault {
            Fault::Killed => broker.kill(),
            Fault::Frozen => broker.freeze(),
            Fault::BlackHole => self.proxies[0].black_hole(),
            Fault::WrongPassword => broker.reload(&config("hunter2")),
            Fault::TokenExpired => unreachable!("NATS has no tokens with an end"),
            Fault::OneDown | Fault::AllReplaced => unreachable!("a fault of one member"),
        }
    }

    async fn end(&mut self, fault: Fault) {
        let broker = &mut self.brokers[0];
        match fault {
            Fault::Killed => broker.restart().await,
            Fault::Frozen => broker.thaw(),
            Fault::BlackHole => self.proxies[0].enable(),
            Fault::WrongPassword => broker.reload(&config(PASS)),
            Fault::TokenExpired => unreachable!("NATS has no tokens with an end"),
            Fault::OneDown | Fault::AllReplaced => unreachable!("a fault of one member"),
        }
    }

    async fn take_down(&mut self, member: usize) {
        match member {
            0 => self.brokers[member].kill(),
            1 => self.brokers[member].freeze(),
            _ => self.proxies[member].black_hole(),
        }
    }

    async fn bring_back(&mut self, member: usize) {
        match member {
            0 => self.brokers[member].restart().await,
            1 => self.brokers[member].thaw(),
            _ => self.proxies[member].enable(),
        }
        Nats::all_know_each_other(&self.brokers).await;
    }

    /// The new broker has another address: clients learn it before the old one goes.
    async fn replace(&mut self, member: usize) {
        let beside = &self.brokers[(member + 1) % self.brokers.len()];
        let new = beside.start_beside(&config(PASS), &[]).await;
        let old = std::mem::replace(&mut self.brokers[member], new);
        Nats::all_know_each_other(&self.brokers).await;
        drop(old);
    }
}
