//! Answers requests over the bare NATS client. Calls between servers are measured against it.
//!
//! `bare-nats NATS-URL SUBJECT` answers each request with its own body, in the task that takes it in, on the runtime
//! that our servers have. `bench-calls raw` makes the requests.

use std::error::Error;

use futures_util::StreamExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(nats), Some(subject)) = (args.next(), args.next()) else {
        return Err("usage: bare-nats NATS-URL SUBJECT".into());
    };
    let client = async_nats::connect(nats).await?;
    let mut requests = client.subscribe(subject).await?;
    client.flush().await?;
    eprintln!("ready");
    while let Some(request) = requests.next().await {
        if let Some(reply) = request.reply {
            client.publish(reply, request.payload).await?;
        }
    }
    Ok(())
}
