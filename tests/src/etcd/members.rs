//! An etcd of three members.

use etcd_client::Client;
use futures_util::future::join_all;

use super::{Etcd, Setup, assert_installed, owned};
use crate::soon;

/// A cluster of three members.
#[derive(Debug)]
pub struct Members {
    /// The members. Each keeps its client address when it is [replaced](Self::replace).
    pub all: Vec<Etcd>,
}

impl Members {
    /// Starts three members with these arguments besides their own.
    ///
    /// # Panics
    /// If they do not start.
    pub async fn start(args: &[&str]) -> Self {
        assert_installed();
        // Another process may take a free port before a member has it.
        for _ in 0..5 {
            // A change of members is refused otherwise until all have been connected for five seconds.
            let args = [&["--strict-reconfig-check=false"], args].concat();
            let setup = Setup { args: owned(&args), ..Setup::default() };
            let mut all: Vec<_> = (0..3).map(|_| Etcd::new(setup.clone())).collect();
            let list = list(&all);
            for member in &mut all {
                member.cluster = Some((list.clone(), "new"));
            }
            if join_all(all.iter().map(Etcd::run)).await.into_iter().all(|serves| serves) {
                return Self { all };
            }
        }
        panic!("three members of etcd do not start");
    }

    /// Removes a member with all its data, and adds a new one at the same client address. `root` is a client of another
    /// member. Returns when the new member serves.
    ///
    /// # Panics
    /// If the cluster refuses that, or the new member does not start.
    pub async fn replace(&mut self, number: usize, root: &Client) {
        let mut cluster = root.cluster_client();
        let members = soon("the members", cluster.member_list()).await.expect("the members");
        let name = &self.all[number].name;
        let old = members.members().iter().find(|member| member.name() == name).expect("the member").id();
        soon("the removal", cluster.member_remove(old)).await.expect("the member is removed");
        self.all[number].kill();
        let mut new = Etcd::new(self.all[number].setup.clone());
        new.port = self.all[number].port;
        // Without a leader etcd loses the addition, and never answers it.
        for (other, member) in self.all.iter().enumerate() {
            if other != number {
                member.serving().await;
            }
        }
        soon("the addition", cluster.member_add([new.peer_url()], None)).await.expect("the member is added");
        // Dropping the old one removes its data.
        self.all[number] = new;
        self.all[number].cluster = Some((list(&self.all), "existing"));
        assert!(self.all[number].run().await, "the new member does not start: {}", self.all[number].log());
    }
}

/// Returns the members as the flag `--initial-cluster` lists them.
fn list(members: &[Etcd]) -> String {
    members
        .iter()
        .map(|member| format!("{}={}", member.name, member.peer_url()))
        .collect::<Vec<_>>()
        .join(",")
}
