//! `#[idempotent]` on a handler, and with a value.
use pitaya::prelude::*;

#[derive(Component)]
struct Shop;

#[handler(server = "shop")]
impl Shop {
    //~v ATTRIBUTE
    #[idempotent]
    pub async fn buy(&self) {}
}

#[remote(server = "shop")]
trait ShopApi {
    //~v ATTRIBUTE
    #[idempotent("24h")]
    async fn pay(&self) -> Result<()>;
}

fn main() {}
