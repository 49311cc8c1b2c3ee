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
    //~v ATTRIBUTE
    #[route("helps")]
    fn help(&self) {}
    #[skip]
    //~v ATTRIBUTE
    #[concurrent]
    pub fn skipped(&self) {}
    //~v ATTRIBUTE
    #[concurrent(yes)]
    pub async fn join(&self, #[extract] _session: Session) {}
    #[route("a")]
    //~v ATTRIBUTE
    #[route("b")]
    pub async fn enter(&self) {}
}

#[pitaya::route("free")]
//~v MISTAKE
fn free() {}

#[remote(server = "room")]
trait Api {
    //~v ATTRIBUTE
    #[concurrent]
    async fn run(&self) -> Result<()>;
}

fn main() {}
