//! Types that the app cannot make.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[derive(Component)]
struct Shop<T> {
    state: State<T>,
}

#[derive(Component)]
enum Choice {
    A,
}

#[derive(Component)]
struct Keys {
    #[component(defualt)]
    a: u8,
    #[component(default, default)]
    b: u8,
}

fn main() {}
