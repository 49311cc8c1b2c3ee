//! Pushes of types that are no push messages.
use pitaya::client::Client;
use pitaya::prelude::*;

#[message]
struct Plain {
    text: String,
}

struct NoMessage;

async fn push(session: Session, client: Client, plain: Plain) -> Result<()> {
    //~v MISTAKE
    session.push(&plain).await?;
    //~v MISTAKE
    session.push_route("onChat", &NoMessage).await?;
    //~v MISTAKE
    let _ = client.pushes::<Plain>();
    Ok(())
}

fn main() {}
