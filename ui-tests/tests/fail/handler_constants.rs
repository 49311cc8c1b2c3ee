//! Handlers whose constants would have a name that something else has, or none.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[handler]
#[allow(non_snake_case)]
impl Entry {
    const LIMIT: usize = 1;
    //~v MISTAKE
    pub async fn limit(&self) {}
    pub async fn enter_room(&self, _msg: Join) {}
    //~v MISTAKE
    pub async fn enterRoom(&self, _msg: Join) {}
    //~v MISTAKE
    pub async fn A(&self) {}
    //~v MISTAKE
    pub async fn _1(&self) {}
    //~v MISTAKE
    pub async fn elsewhere(&self) {}
}

impl Entry {
    const ELSEWHERE: usize = 1;
}

fn main() {}
