//! Pipelines: validation before a handler runs, and hooks around it.
//!
//! The routes are those of Go Pitaya's demo: `metagameDemo.metagameHandler.CreatePlayerCheat` and
//! `….HandlerNoArg`.

use garde::Validate;
use pitaya::acceptor::Tcp;
use pitaya::app::Builder;
use pitaya::config::Config;
use pitaya::pipeline::{HookReply, HookRequest};
use pitaya::prelude::*;

/// A new player, with validation rules for its fields.
#[message(validate)]
#[derive(Validate)]
pub struct CreatePlayer {
    /// The name.
    #[garde(length(min = 1, max = 32))]
    pub name: String,
    /// The e-mail address.
    #[garde(email)]
    pub email: String,
    /// Money that players win.
    #[garde(range(min = 0, max = 1000))]
    #[serde(rename = "softCurrency")]
    pub soft_currency: i64,
    /// Money that players buy.
    #[garde(range(min = 0, max = 1000))]
    #[serde(rename = "hardCurrency")]
    pub hard_currency: i64,
}

/// The answer of both handlers.
#[message]
pub struct Reply {
    /// A text to show.
    pub msg: String,
}

/// The component with the handlers.
#[derive(Debug, Component)]
pub struct Metagame;

#[handler(server = "metagameDemo", service = "metagameHandler", rename_all = "PascalCase")]
impl Metagame {
    /// Creates a player. The validation rules were checked before.
    pub async fn create_player_cheat(&self, msg: CreatePlayer) -> Result<Reply> {
        Ok(Reply {
            msg: format!("created {} with {} and {}", msg.name, msg.soft_currency, msg.hard_currency),
        })
    }

    /// Answers a request without a message.
    pub async fn handler_no_arg(&self) -> Result<Reply> {
        Ok(Reply { msg: "no argument".to_owned() })
    }
}

/// Trims names before the handler runs and after the rules were checked.
async fn trim_names(call: &mut HookRequest) -> Result<()> {
    if let Some(player) = call.message_mut::<CreatePlayer>() {
        player.name = player.name.trim().to_owned();
    }
    Ok(())
}

/// Rejects a call.
async fn refuse_root(call: &mut HookRequest) -> Result<()> {
    match call.message::<CreatePlayer>() {
        Some(player) if player.name == "root" => Err(Error::new("META-001", "this name is taken")),
        _ => Ok(()),
    }
}

/// Changes every reply.
async fn sign(call: &mut HookReply) {
    if let Some(reply) = call.reply_mut::<Reply>() {
        reply.msg.push('!');
    }
}

/// Returns the app, which listens on `address`.
pub fn app(mut config: Config, address: &str) -> Builder {
    config.struct_validation = true;
    App::builder()
        .config(config)
        .server_type("metagameDemo")
        .acceptor(Tcp::new(address))
        .before(trim_names)
        .before(refuse_root)
        .after(sign)
}
