//! Types that the app cannot make.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[derive(Component)]
//~v MISTAKE
struct Shop<T> {
    state: State<T>,
}

#[derive(Component)]
//~v MISTAKE
enum Choice {
    A,
}

#[derive(Component)]
struct Keys {
    //~v MISTAKE
    #[component(defualt)]
    a: u8,
    //~v MISTAKE
    #[component(default, default)]
    b: u8,
    //~v ATTRIBUTE
    #[component]
    c: u8,
}

fn main() {}
