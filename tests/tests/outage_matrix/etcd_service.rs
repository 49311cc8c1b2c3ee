//! An etcd that demands users, and what happens to it.

use etcd_client::Client;
use pitaya_tests::etcd::Etcd;
use pitaya_tests::etcd::members::Members;
use pitaya_tests::tcp_proxy::TcpProxy;
use pitaya_tests::{soon, until};

use crate::driver::{Fault, Service};

/// The user of the client under test.
pub(crate) const USER: &str = "game";
/// The password of that user.
pub(crate) const PASS: &str = "s3cret";
/// A password that user does not have.
pub(crate) const WRONG: &str = "hunter2";
/// A user that no client under test signs in as.
const OTHER: &str = "other";

/// One etcd or three, with a proxy to each.
pub(crate) struct EtcdService {
    members: Members,
    proxies: Vec<TcpProxy>,
    down: Option<usize>,
}

impl EtcdService {
    /// The addresses for the client under test.
    pub(crate) fn endpoints(&self) -> Vec<String> {
        self.proxies.iter().map(|proxy| proxy.address().to_string()).collect()
    }

    /// The addresses of the members themselves.
    pub(crate) fn direct(&self) -> Vec<String> {
        self.members.all.iter().map(Etcd::url).collect()
    }

    /// A client that sees what there is, over a member that is up.
    pub(crate) async fn root(&self) -> Client {
        self.up(None).root().await
    }

    /// A member that is up, and not this one.
    fn up(&self, except: Option<usize>) -> &Etcd {
        let up = |number: &usize| Some(*number) != self.down && Some(*number) != except;
        let number = (0..self.members.all.len()).find(up).expect("a member that is up");
        &self.members.all[number]
    }

    async fn change_password(&self, pass: &str) {
        let mut auth = self.root().await.auth_client();
        soon("the password", auth.user_change_password(USER, pass)).await.expect("the password is changed");
    }
}

impl Service for EtcdService {
    async fn start(fault: Fault) -> Self {
        // Signing in is made cheap.
        let cheap = ["--bcrypt-cost=4"];
        let short = ["--bcrypt-cost=4", "--auth-token-ttl=1", "--logger=zap", "--log-level=info"];
        let members = match fault {
            Fault::OneDown | Fault::AllReplaced => Members::start(&cheap).await,
            Fault::TokenExpired => Members { all: vec![Etcd::start_with(&short).await] },
            _ => Members { all: vec![Etcd::start_with(&cheap).await] },
        };
        members.all[0].demand_user(USER, PASS, "pitaya/").await;
        let mut proxies = Vec::new();
        for member in &members.all {
            proxies.push(TcpProxy::to(member.port()).await);
        }
        Self { members, proxies, down: None }
    }

    async fn begin(&mut self, fault: Fault) {
        let etcd = &self.members.all[0];
        match fault {
            Fault::Killed => etcd.kill(),
            Fault::Frozen => etcd.freeze(),
            Fault::BlackHole => self.proxies[0].black_hole(),
            Fault::WrongPassword => self.change_password(WRONG).await,
            Fault::TokenExpired => {
                // The token of another user begins after those of the client, and etcd logs when it expires.
                let mut auth = self.root().await.auth_client();
                let other = format!("{OTHER}-{}", etcd.log().len());
                auth.user_add(&*other, PASS, None).await.expect("a user");
                auth.authenticate(other.clone(), PASS.to_owned()).await.expect("a token");
                let ended = format!("\"deleted a simple token\",\"user-name\":\"{other}\"");
                until("the token to expire", || etcd.log().contains(&ended)).await;
            }
            Fault::OneDown | Fault::AllReplaced => unreachable!("a fault of one member"),
        }
    }

    async fn end(&mut self, fault: Fault) {
        let etcd = &self.members.all[0];
        match fault {
            Fault::Killed => etcd.restart().await,
            Fault::Frozen => etcd.thaw(),
            Fault::BlackHole => self.proxies[0].enable(),
            Fault::WrongPassword => self.change_password(PASS).await,
            Fault::TokenExpired => {
                let ended = format!("\"deleted a simple token\",\"user-name\":\"{USER}\"");
                assert!(etcd.log().matches(&ended).count() >= 2, "no token of the client has expired");
            }
            Fault::OneDown | Fault::AllReplaced => unreachable!("a fault of one member"),
        }
        etcd.serving().await;
    }

    async fn take_down(&mut self, member: usize) {
        self.down = Some(member);
        match member {
            0 => self.members.all[member].kill(),
            1 => self.members.all[member].freeze(),
            _ => self.proxies[member].black_hole(),
        }
    }

    async fn bring_back(&mut self, member: usize) {
        match member {
            0 => self.members.all[member].restart().await,
            1 => self.members.all[member].thaw(),
            _ => self.proxies[member].enable(),
        }
        self.members.all[member].serving().await;
        self.down = None;
    }

    async fn replace(&mut self, member: usize) {
        let root = self.up(Some(member)).root().await;
        self.members.replace(member, &root).await;
    }
}
