//! Pipelines: rules that are checked before a handler runs, and hooks around it.
//!
//! The routes are those of the original framework's demo: `metagameDemo.metagameHandler.CreatePlayerCheat` and
//! `….HandlerNoArg`.

use garde::Validate;
use pitaya::acceptor::Tcp;
use pitaya::app::Builder;
use pitaya::config::Config;
use pitaya::pipeline::{HookReply, HookRequest};
use pitaya::prelude::*;

/// A new player, with rules for its fields.
#[message(validate)]
#[derive(Validate)]
pub struct CreatePlayer {
    /// The name.
    #[garde(length(min = 1, max = 32))]
    pub name: String,
    /// The address.
    #[garde(email)]
    pub email: String,
    /// Money that is won.
    #[garde(range(min = 0, max = 1000))]
    #[serde(rename = "softCurrency")]
    pub soft_currency: i64,
    /// Money that is bought.
    #[garde(range(min = 0, max = 1000))]
    #[serde(rename = "hardCurrency")]
    pub hard_currency: i64,
}

/// An answer.
#[message]
pub struct Reply {
    /// What happened.
    pub msg: String,
}

/// The component.
#[derive(Debug, Component)]
pub struct Metagame;

#[handler(server = "metagameDemo", service = "metagameHandler", rename_all = "PascalCase")]
impl Metagame {
    /// Makes a player, if the rules allow it.
    pub async fn create_player_cheat(&self, msg: CreatePlayer) -> Result<Reply> {
        Ok(Reply {
            msg: format!("created {} with {} and {}", msg.name, msg.soft_currency, msg.hard_currency),
        })
    }

    /// Takes nothing.
    pub async fn handler_no_arg(&self) -> Result<Reply> {
        Ok(Reply { msg: "no argument".to_owned() })
    }
}

/// Names are trimmed before the handler sees them; the rules were checked before.
async fn trim_names(call: &mut HookRequest) -> Result<()> {
    if let Some(player) = call.message_mut::<CreatePlayer>() {
        player.name = player.name.trim().to_owned();
    }
    Ok(())
}

/// A hook may refuse a call.
async fn refuse_root(call: &mut HookRequest) -> Result<()> {
    match call.message::<CreatePlayer>() {
        Some(player) if player.name == "root" => Err(Error::new("META-001", "this name is taken")),
        _ => Ok(()),
    }
}

/// Every reply is signed.
async fn sign(call: &mut HookReply) {
    if let Some(reply) = call.reply_mut::<Reply>() {
        reply.msg.push('!');
    }
}

/// The app, listening on `address`.
pub fn app(mut config: Config, address: &str) -> Builder {
    config.struct_validation = true;
    App::builder()
        .config(config)
        .server_type("metagameDemo")
        .acceptor(Tcp::bind(address))
        .before(trim_names)
        .before(refuse_root)
        .after(sign)
}
