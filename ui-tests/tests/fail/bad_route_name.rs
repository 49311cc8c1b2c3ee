//! Names that cannot be in a route.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

//~v MISTAKE
//~v MISTAKE
#[handler(server = "my server", service = "a.b")]
impl Entry {
    //~v MISTAKE
    #[route("join!")]
    pub async fn join(&self, _msg: Join) {}
    //~v ATTRIBUTE
    #[route(say)]
    pub async fn say(&self, _msg: Join) {}
}

fn main() {}
