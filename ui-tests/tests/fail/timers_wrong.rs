//! Timers that cannot be.
use pitaya::{prelude::*, timers};

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[timers]
impl Entry {
    //~v MISTAKE
    #[every("10")]
    async fn no_unit(&self) {}
    //~v MISTAKE
    #[every("3d")]
    async fn other_unit(&self) {}
    //~v MISTAKE
    #[every("fast")]
    async fn no_number(&self) {}
    //~v MISTAKE
    #[every("0s")]
    async fn zero(&self) {}
    //~v ATTRIBUTE
    #[every]
    async fn nothing(&self) {}
    //~v ATTRIBUTE
    #[every(100)]
    async fn number(&self) {}
    #[every("1s")]
    //~v MISTAKE
    fn not_async(&self) {}
    #[every("1s")]
    //~v MISTAKE
    async fn changes(&mut self) {}
    #[every("1s")]
    //~v MISTAKE
    async fn takes(&self, _msg: Join) {}
    #[every("1s")]
    //~v MISTAKE
    async fn replies(&self) -> Result<Join> {
        Ok(Join { name: String::new() })
    }
    #[every("1s")]
    //~v ATTRIBUTE
    #[concurrent]
    async fn marked(&self) {}
    //~v ATTRIBUTE
    #[route("a")]
    async fn routed(&self) {}
}

#[timers]
//~v MISTAKE
impl Entry {
    fn helper(&self) {}
}

#[timers]
//~v MISTAKE
struct Other;

#[remote(server = "room")]
trait Api {
    //~v ATTRIBUTE
    #[every("1s")]
    async fn run(&self) -> Result<()>;
}

#[pitaya::every("1s")]
//~v MISTAKE
fn free() {}

fn main() {}
