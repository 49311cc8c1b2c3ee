//! An enum of names that is no message, as a field.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[derive(Clone, Debug)]
enum Phase {
    Lobby,
    Play,
}

#[message]
struct Game {
    //~v MISTAKE
    phase: Phase,
}

fn main() {
    let _ = (Phase::Lobby, Phase::Play);
}
