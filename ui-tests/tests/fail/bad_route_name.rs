//! Names that cannot be in a route.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[handler(server = "my server", service = "a.b")]
impl Entry {
    #[route("join!")]
    pub async fn join(&self, _msg: Join) {}
    #[route(say)]
    pub async fn say(&self, _msg: Join) {}
}

fn main() {}
