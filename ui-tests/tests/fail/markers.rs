//! Markers where they mean nothing.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[handler]
impl Entry {
    #[route("helps")]
    fn help(&self) {}
    #[skip]
    #[concurrent]
    pub fn skipped(&self) {}
    #[concurrent(yes)]
    pub async fn join(&self, #[extract] _session: Session) {}
    #[route("a")]
    #[route("b")]
    pub async fn enter(&self) {}
}

#[route("free")]
fn free() {}

#[remote(server = "room")]
trait Api {
    #[concurrent]
    async fn run(&self) -> Result<()>;
}

fn main() {}
