//! A server whose messages have several shapes, for clients that are generated from its schema.
//!
//! `shapes --print-schema` prints the schema. `shapes ADDRESS json|msgpack` listens for WebSocket and prints the address.

use std::io::Write;
use std::time::Duration;

use pitaya::acceptor::WebSocket;
use pitaya::prelude::*;
use pitaya::schema::{ExportOptions, print_if_asked};
use pitaya::serialize::Serializer;

/// Where a player looks.
#[message]
#[derive(PartialEq)]
pub enum Direction {
    /// Up.
    North,
    /// Down.
    South,
}

/// A text that a player says.
#[message]
pub struct Said {
    /// The text.
    pub text: String,
}

/// An action of a player.
#[message]
pub enum Input {
    /// Walks.
    Move {
        /// The steps.
        steps: i64,
        /// Where.
        direction: Direction,
        /// When.
        #[field(nanos)]
        after: Duration,
    },
    /// Says something.
    Say(Said),
    /// Stops.
    Stop,
}

/// The actions of a player.
#[message(push = "onInputs")]
pub struct Inputs {
    /// The inputs, in order.
    pub inputs: Vec<Input>,
}

/// Answers with what it got.
#[derive(Debug, Component)]
pub struct Shapes;

#[handler(server = "shapes")]
impl Shapes {
    /// Returns the opposite of the input, and pushes both.
    pub async fn turn(&self, session: Session, input: Input) -> Result<Input> {
        let turned = match input.clone() {
            Input::Move { steps, direction: Direction::North, after } => {
                Input::Move { steps: -steps, direction: Direction::South, after: after * 2 }
            }
            Input::Move { steps, direction: Direction::South, after } => {
                Input::Move { steps: -steps, direction: Direction::North, after: after * 2 }
            }
            Input::Say(said) => Input::Say(Said { text: said.text.chars().rev().collect() }),
            Input::Stop => Input::Stop,
        };
        session.push(&Inputs { inputs: vec![input, turned.clone()] }).await?;
        Ok(turned)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    if print_if_asked(&ExportOptions::new("shapes"))? {
        return Ok(());
    }
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_default();
    let serializer = match args.next().as_deref() {
        Some("msgpack") => Serializer::MessagePack,
        _ => Serializer::Json,
    };
    let app = App::builder()
        .server_type("shapes")
        .serializer(serializer)
        .acceptor(WebSocket::new(address))
        .start()
        .await?;
    println!("{}", app.addresses()[0]);
    std::io::stdout().flush().internal()?;
    app.wait().await;
    Ok(())
}
