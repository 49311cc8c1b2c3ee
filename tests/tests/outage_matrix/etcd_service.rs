//! An etcd that demands users, and what happens to it.

use etcd_client::Client;
use pitaya_tests::cable::Cable;
use pitaya_tests::etcd::Etcd;
use pitaya_tests::etcd::members::Members;
use pitaya_tests::{soon, until};

use crate::driver::{Fault, Service};

/// The user of the client under test.
pub(crate) const USER: &str = "game";
/// The password of that user.
pub(crate) const PASS: &str = "s3cret";
/// A password that user does not have.
pub(crate) const WRONG: &str = "hunter2";
/// A user whose tokens are those of nobody else.
const WITNESS: &str = "witness";

/// One etcd or three, with a cable to each.
pub(crate) struct EtcdService {
    members: Members,
    cables: Vec<Cable>,
    down: Option<usize>,
}

impl EtcdService {
    /// The addresses for the client under test.
    pub(crate) fn endpoints(&self) -> Vec<String> {
        self.cables.iter().map(|cable| cable.address().to_string()).collect()
    }

    /// The addresses without the cables.
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
        let mut cables = Vec::new();
        for member in &members.all {
            cables.push(Cable::to(member.port()).await);
        }
        Self { members, cables, down: None }
    }

    async fn begin(&mut self, fault: Fault) {
        let etcd = &self.members.all[0];
        match fault {
            Fault::Killed => etcd.kill(),
            Fault::Frozen => etcd.freeze(),
            Fault::BlackHole => self.cables[0].swallow(),
            Fault::WrongPassword => self.change_password(WRONG).await,
            Fault::TokenExpired => {
                // A token that nobody uses begins later than those of the client end, and etcd says when it has ended.
                let mut auth = self.root().await.auth_client();
                let witness = format!("{WITNESS}-{}", etcd.log().len());
                auth.user_add(&*witness, PASS, None).await.expect("a user");
                auth.authenticate(witness.clone(), PASS.to_owned()).await.expect("a token");
                let ended = format!("\"deleted a simple token\",\"user-name\":\"{witness}\"");
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
            Fault::BlackHole => self.cables[0].mend(),
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
            _ => self.cables[member].swallow(),
        }
    }

    async fn bring_back(&mut self, member: usize) {
        match member {
            0 => self.members.all[member].restart().await,
            1 => self.members.all[member].thaw(),
            _ => self.cables[member].mend(),
        }
        self.members.all[member].serving().await;
        self.down = None;
    }

    async fn replace(&mut self, member: usize) {
        let root = self.up(Some(member)).root().await;
        self.members.replace(member, &root).await;
    }
}
