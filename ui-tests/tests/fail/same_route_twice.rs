//! Two methods with one route.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[handler]
impl Entry {
    pub async fn join(&self, _msg: Join) {}
    //~v MISTAKE
    #[route("join")]
    pub async fn enter(&self, _msg: Join) {}
}

fn main() {}
