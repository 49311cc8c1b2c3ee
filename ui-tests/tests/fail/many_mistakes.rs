//! One compile reports all mistakes of a block. The types of the other methods are still checked.
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
