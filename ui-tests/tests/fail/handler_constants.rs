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
    pub async fn limit(&self) {}
    pub async fn enter_room(&self, _msg: Join) {}
    pub async fn enterRoom(&self, _msg: Join) {}
    pub async fn A(&self) {}
    pub async fn _1(&self) {}
    pub async fn elsewhere(&self) {}
}

impl Entry {
    const ELSEWHERE: usize = 1;
}

fn main() {}
