//! All mistakes of a block at once; what is right is still checked by its types.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

struct Unknown;

//~v MISTAKE
#[handler(serve = "connector")]
impl Entry {
    //~v MISTAKE
    pub fn not_async(&self, _msg: Join) {}
    //~v MISTAKE
    pub async fn no_self(_msg: Join) {}
    //~v MISTAKE
    #[route("a b")]
    pub async fn bad_name(&self) {}
    //~v MISTAKE
    pub async fn generic<T>(&self) {}
    //~v MISTAKE
    pub async fn unknown(&self, _msg: Unknown) {}
    pub async fn right(&self, _msg: Join) {}
}

fn main() {}
