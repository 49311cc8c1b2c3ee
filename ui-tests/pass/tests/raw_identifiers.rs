//! Names that are keywords are written raw, and go over the wire plain.
use pitaya::prelude::*;
use pitaya::serialize::Message;

#[message]
pub struct r#Match {
    pub r#type: String,
}

#[message(proto)]
pub struct Proto {
    #[tag(1)]
    pub r#type: String,
}

#[derive(Component)]
pub struct r#Loop {
    #[component(default)]
    r#in: u8,
}

#[handler]
impl r#Loop {
    pub async fn r#loop(&self, r#struct: r#Match) {
        let _ = (self.r#in, r#struct);
    }
}

#[remote(server = "room")]
pub trait RoomApi {
    async fn r#move(&self, r#struct: r#Match) -> Result<r#Match>;
}

#[remote]
impl RoomApi for r#Loop {
    async fn r#move(&self, r#struct: r#Match) -> Result<r#Match> {
        Ok(r#struct)
    }
}

#[tokio::test]
async fn compiles() {
    assert_eq!(RoomApiClient::MOVE.path(), "room.room.move");
    assert_eq!(<r#Match as Message>::SCHEMA.fields[0].name, "type");
    let proto = serde_json::to_string(&Proto { r#type: "a".into() }).unwrap();
    assert_eq!(proto, r#"{"type":"a"}"#);
    let client = RoomApiClient::fake(r#Loop { r#in: 0 });
    assert_eq!(client.r#move(&r#Match { r#type: "x".into() }).await.unwrap().r#type, "x");
}
