//! Arguments of foreign types, which cannot be annotated.
use pitaya::prelude::*;

#[derive(Component)]
struct Entry;

#[message]
struct Join {
    name: String,
}

#[handler]
impl Entry {
    //~v MISTAKE
    pub async fn level(&self, _msg: u32) -> Result<()> {
        Ok(())
    }
    //~v MISTAKE
    pub async fn all(&self, _msg: Vec<Join>) -> Result<()> {
        Ok(())
    }
    //~v MISTAKE
    pub async fn maybe(&self, _msg: Option<Join>) -> Result<()> {
        Ok(())
    }
    //~v MISTAKE
    pub async fn any(&self, _msg: serde_json::Value) -> Result<()> {
        Ok(())
    }
    //~v MISTAKE
    pub async fn pair(&self, _msg: (u8, u8)) -> Result<()> {
        Ok(())
    }
}

#[remote(server = "room")]
impl Entry {
    //~v MISTAKE
    pub async fn name(&self, _msg: String) -> Result<()> {
        Ok(())
    }
}

fn main() {}
