//! A block of a generic type.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

struct Shop<T>(T);

#[handler]
//~v MISTAKE
impl<T: Send + Sync> Shop<T> {
    pub async fn join(&self, _msg: Join) {}
}

#[handler]
impl Shop<u8>
//~v MISTAKE
where
    u8: Send,
{
    pub async fn join_it(&self, _msg: Join) {}
}

fn main() {}
