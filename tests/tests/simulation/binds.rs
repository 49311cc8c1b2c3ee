//! One user, one session: binds, closes, kicks and joins at any moment, on one frontend and on two.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pitaya::Users;
use pitaya::client::Client;
use pitaya::prelude::*;
use pitaya::testing::{Cluster, TestServer};
use pitaya_tests::server::{Text, text};

use crate::servers::{ms, slow};

/// A session, as the test tells it from others: its server and its id.
type Who = (String, u64);

/// The actions of the frontends, in order.
#[derive(Default)]
struct Log {
    /// Sessions that have joined the group, and have not left it since.
    joined: Mutex<BTreeSet<Who>>,
    /// The uid of each session whose close callbacks have not run yet, if its bind was answered.
    answered: Mutex<BTreeSet<(String, Who)>>,
    faults: Mutex<Vec<String>>,
}

#[derive(Component)]
struct Gate {
    app: App,
    groups: Groups,
    users: Users,
    log: State<Arc<Log>>,
}

impl Gate {
    fn who(&self, session: &Session) -> Who {
        (self.app.server_id().to_owned(), session.id())
    }
}

#[handler(server = "gate")]
impl Gate {
    /// Binds. When it is answered, no other session of the user is there any more, nor are its close callbacks.
    pub async fn bind(&self, session: Session, msg: Text) -> Result<()> {
        let who = self.who(&session);
        let (log, uid, me) = (Arc::clone(&self.log), msg.text.clone(), who.clone());
        session.on_close(move |_| async move {
            // A callback that takes a while, such as one that stores the player.
            tokio::time::sleep(ms(30)).await;
            log.answered.lock().unwrap().remove(&(uid, me));
        })?;
        session.bind(&msg.text).await?;
        let mut answered = self.log.answered.lock().unwrap();
        for (uid, other) in answered.iter() {
            if *uid == msg.text && *other != who {
                self.log.faults.lock().unwrap().push(format!("{who:?} is bound before {other:?} has ended"));
            }
        }
        if !session.is_closed() {
            answered.insert((msg.text, who));
        }
        Ok(())
    }

    pub async fn join(&self, session: Session) -> Result<()> {
        self.groups.group("hall").join(&session).await?;
        self.log.joined.lock().unwrap().insert(self.who(&session));
        Ok(())
    }

    pub async fn leave(&self, session: Session) -> Result<()> {
        self.groups.group("hall").leave(&session).await?;
        self.log.joined.lock().unwrap().remove(&self.who(&session));
        Ok(())
    }

    /// Joins a while after it was answered, when the session may have ended.
    pub async fn join_later(&self, session: Session) -> Result<()> {
        let (groups, log, who) = (self.groups.clone(), Arc::clone(&self.log), self.who(&session));
        tokio::spawn(async move {
            tokio::time::sleep(ms(120)).await;
            if groups.group("hall").join(&session).await.is_ok() {
                log.joined.lock().unwrap().insert(who);
            }
        });
        Ok(())
    }

    /// A query that takes a while.
    pub async fn rest(&self) -> Result<()> {
        tokio::time::sleep(ms(80)).await;
        Ok(())
    }

    pub async fn kick(&self, msg: Text) -> Result<()> {
        self.users.kick(&[msg.text]).await.map(drop)
    }

    pub async fn close(&self, session: Session) -> Result<()> {
        session.close();
        Ok(())
    }
}

async fn gate(cluster: &Cluster, log: &Arc<Log>) -> TestServer {
    cluster.frontend("gate", |app| app.state(Arc::clone(log))).await.unwrap()
}

/// The sessions of a user that are open.
fn open(gates: &[TestServer], uid: &str) -> Vec<(usize, Session)> {
    let mut all = Vec::new();
    for (at, gate) in gates.iter().enumerate() {
        let sessions = gate.app().sessions().all().into_iter();
        all.extend(sessions.filter(|it| it.uid().as_deref() == Some(uid)).map(|it| (at, it)));
    }
    all
}

const UIDS: [&str; 2] = ["ann", "bob"];

async fn simulate(seed: u64, fronts: usize) -> Result<(), String> {
    let cluster = Cluster::seeded(seed);
    let log = Arc::<Log>::default();
    let mut gates = Vec::new();
    for _ in 0..fronts {
        gates.push(gate(&cluster, &log).await);
    }
    cluster.settle().await;
    cluster.faults(slow());
    let hall = gates[0].app().groups().group("hall");
    hall.create().await.unwrap();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut clients: Vec<(Client, &str)> = Vec::new();
    for _ in 0..60 {
        if clients.is_empty() || random.u8(0..4) == 0 {
            let client = gates[random.usize(0..fronts)].client().await.unwrap();
            clients.push((client, UIDS[random.usize(0..2)]));
            continue;
        }
        let at = random.usize(0..clients.len());
        let (client, uid) = &clients[at];
        let (route, body) = match random.u8(0..16) {
            0..6 => ("gate.bind", text(*uid)),
            6..10 => ("gate.join", text("")),
            10 => ("gate.leave", text("")),
            11 => ("gate.join_later", text("")),
            12 => ("gate.rest", text("")),
            13 => ("gate.kick", text(*uid)),
            14 => ("gate.close", text("")),
            _ => {
                drop(clients.swap_remove(at));
                continue;
            }
        };
        // The answer is not awaited, so that the next request arrives at the same moment.
        let (client, body) = (client.clone(), format!(r#"{{"text":"{}"}}"#, body.text));
        tokio::spawn(async move { client.request_raw(route, body.into()).await });
        if random.bool() {
            tokio::time::sleep(ms(random.u64(0..60))).await;
        }
    }
    // Quiescence: all handlers and callbacks have ended, and all news have arrived.
    tokio::time::sleep(Duration::from_secs(3)).await;
    cluster.settle().await;
    let faults = std::mem::take(&mut *log.faults.lock().unwrap());
    if !faults.is_empty() {
        return Err(faults.join("; "));
    }
    for uid in UIDS {
        let sessions = open(&gates, uid);
        if sessions.len() > 1 {
            return Err(format!("{uid} has {} sessions", sessions.len()));
        }
        let is_in = hall.contains(uid).await.unwrap();
        let joined = sessions.first().is_some_and(|(at, session)| {
            log.joined.lock().unwrap().contains(&(gates[*at].id().to_owned(), session.id()))
        });
        if is_in != joined {
            return Err(format!("{uid} is in the group: {is_in}, its session has joined: {joined}"));
        }
        // It is in the table: found here, and ended by a bind elsewhere.
        for (at, session) in sessions {
            let found = gates[at].app().sessions().by_uid(uid).map(|found| found.id());
            if found != Some(session.id()) {
                return Err(format!("{uid} is session {}, found is {found:?}", session.id()));
            }
            let elsewhere = gates[(at + 1) % fronts].client().await.unwrap();
            let body = format!(r#"{{"text":"{uid}"}}"#);
            elsewhere.request_raw("gate.bind", body.into()).await.unwrap();
            if !session.is_closed() {
                return Err(format!("{uid} has another session now, and the old one is open"));
            }
        }
    }
    Ok(())
}

async fn simulate_all(fronts: usize) {
    for seed in 0..300 {
        if let Err(fault) = simulate(seed, fronts).await {
            panic!("{fronts} frontends, seed {seed}: {fault}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_has_one_session_on_one_frontend() {
    simulate_all(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_user_has_one_session_on_two_frontends() {
    simulate_all(2).await;
}
