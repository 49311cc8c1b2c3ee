//! The faults, and what each requires of a client.

use std::time::Duration;

use pitaya_tests::soon;
use tokio::time::{sleep, timeout};

/// The deadlines that clients under test are configured with.
pub(crate) const DEADLINE: Duration = Duration::from_secs(1);

/// The time after which an operation counts as hanging, on a busy machine too.
const HANG: Duration = Duration::from_secs(15);

/// How many operations in a row count as working.
const ROW: usize = 10;

/// A fault of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Killed,
    Frozen,
    BlackHole,
    WrongPassword,
    TokenExpired,
    OneDown,
    AllReplaced,
}

/// An outside service, as it is arranged for one fault.
pub(crate) trait Service: Sized {
    /// Starts the service.
    async fn start(fault: Fault) -> Self;
    /// Begins a fault of the whole service. Of an expired token: returns when tokens that were used before have expired.
    async fn begin(&mut self, fault: Fault);
    /// Ends it. Returns when the service is back.
    async fn end(&mut self, fault: Fault);
    /// Takes down a member: the first by killing it, the second by freezing it, the third by a black hole.
    async fn take_down(&mut self, member: usize);
    /// Undoes that. Returns when the member is one of the cluster again.
    async fn bring_back(&mut self, member: usize);
    /// Replaces a member by a new one without data.
    async fn replace(&mut self, member: usize);
}

/// A client under test, connected to its service.
pub(crate) trait Client: Sized {
    type Service: Service;

    /// How many operations may fail once the service is back. Unbounded for a client that connects in the
    /// background, because its operations fail immediately until then.
    const FAILURES: usize = usize::MAX;

    /// Starts a client, and does what must not be lost. Names are unique.
    async fn prepare(service: &Self::Service, name: &str) -> Self;

    /// Starts a client with the wrong password and returns its error.
    async fn refused(service: &Self::Service) -> String;

    /// One operation with a deadline of its own. Panics at an error that does not name the reason.
    async fn operation(&self) -> Result<(), String>;

    /// None for a client that has no part in it.
    async fn is_ready(&self) -> Option<bool>;

    /// Does what may be done while the service is away, and waits for what the outage causes elsewhere.
    async fn meanwhile(&self, _service: &Self::Service, _fault: Fault) {}

    /// Waits until the client knows so many new members.
    async fn learned(&self, _members: usize) {}

    /// How many connections the client has lost, as far as it counts them.
    fn losses(&self) -> u64 {
        0
    }

    /// Panics if anything was lost.
    async fn recovered(&self, service: &Self::Service);
}

/// Runs one cell of the table.
pub(crate) async fn outage<C: Client>(fault: Fault) {
    let mut service = soon("the service", C::Service::start(fault)).await;
    let client = soon("the client", C::prepare(&service, "first")).await;
    working(&client).await;
    match fault {
        Fault::Killed | Fault::Frozen | Fault::BlackHole | Fault::WrongPassword => {
            away(&mut service, &client, fault).await;
        }
        Fault::TokenExpired => expired(&mut service, &client).await,
        Fault::OneDown => one_down(&mut service, &client).await,
        Fault::AllReplaced => all_replaced(&mut service, &client).await,
    }
    soon("what was there before the fault", client.recovered(&service)).await;
}

async fn away<C: Client>(service: &mut C::Service, client: &C, fault: Fault) {
    service.begin(fault).await;
    soon("an operation to fail", async { while attempt(client).await.is_ok() {} }).await;
    soon("the client to be not ready", async { while ready(client, false).await {} }).await;
    if fault == Fault::WrongPassword {
        let error = timeout(HANG, C::refused(service)).await.expect("a client that is refused hangs");
        println!("a client that is refused: {error}");
    }
    soon("the rest of the world", client.meanwhile(service, fault)).await;
    for _ in 0..3 {
        assert!(attempt(client).await.is_err(), "the service is away");
        assert!(!ready(client, false).await, "the service is away");
    }
    service.end(fault).await;
    let failures = working(client).await;
    assert!(failures <= C::FAILURES, "{failures} operations failed after the fault");
}

async fn expired<C: Client>(service: &mut C::Service, client: &C) {
    let losses = client.losses();
    // By turns the one and the other is the first that finds the token expired.
    for first in [true, false] {
        service.begin(Fault::TokenExpired).await;
        if first {
            assert!(ready(client, true).await, "an expired token is no reason");
        }
        assert_eq!(attempt(client).await, Ok(()));
        assert!(ready(client, true).await, "an expired token is no reason");
    }
    assert_eq!(client.losses(), losses, "the connection was given up");
    service.end(Fault::TokenExpired).await;
}

async fn one_down<C: Client>(service: &mut C::Service, client: &C) {
    for member in 0..3 {
        service.take_down(member).await;
        working(client).await;
        let late = soon("a late client", C::prepare(service, &format!("late-{member}"))).await;
        working(&late).await;
        for _ in 0..ROW {
            assert_eq!(attempt(client).await, Ok(()), "with member {member} down");
            assert!(ready(client, true).await, "with member {member} down");
        }
        soon("all of the late client", late.recovered(service)).await;
        service.bring_back(member).await;
        working(client).await;
    }
}

async fn all_replaced<C: Client>(service: &mut C::Service, client: &C) {
    for member in 0..3 {
        // Operations continue meanwhile, and each ends.
        let operations = async {
            loop {
                let _ = attempt(client).await;
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            () = service.replace(member) => {}
            () = operations => {}
        }
        working(client).await;
        soon("the client to learn of the new member", client.learned(member + 1)).await;
    }
    let late = soon("a late client", C::prepare(service, "late")).await;
    working(&late).await;
}

/// Waits until operations succeed, and the client is ready. Returns how many operations failed before.
async fn working<C: Client>(client: &C) -> usize {
    soon("operations to succeed again", async {
        let (mut row, mut failures) = (0, 0);
        while row < ROW || !ready(client, true).await {
            match attempt(client).await {
                Ok(()) => row += 1,
                Err(_) => {
                    row = 0;
                    failures += 1;
                    sleep(Duration::from_millis(20)).await;
                }
            }
        }
        failures
    })
    .await
}

/// Runs one operation, which must end.
async fn attempt<C: Client>(client: &C) -> Result<(), String> {
    let done = timeout(HANG, client.operation()).await;
    done.unwrap_or_else(|_| panic!("an operation with a deadline of {DEADLINE:?} hangs for {HANG:?}"))
}

/// Whether the client is ready, which must be known soon; `otherwise` for a client that has no part in it.
async fn ready<C: Client>(client: &C, otherwise: bool) -> bool {
    timeout(HANG, client.is_ready()).await.expect("`is_ready` hangs").unwrap_or(otherwise)
}
