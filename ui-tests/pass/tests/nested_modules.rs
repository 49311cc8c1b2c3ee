//! Messages, contracts and components in modules of their own, named by paths.
mod api {
    pub mod messages {
        use pitaya::prelude::*;

        #[message]
        pub struct Join {
            pub name: String,
        }
    }

    pub mod room {
        use super::messages;
        use pitaya::prelude::*;

        #[remote(server = "room")]
        pub trait RoomApi {
            async fn enter(&self, msg: messages::Join) -> Result<messages::Join>;
        }
    }
}

mod server {
    use pitaya::prelude::*;

    #[derive(Component)]
    pub(super) struct Room {
        pub(super) other: super::api::room::RoomApiClient,
    }

    mod remotes {
        use crate::api;

        #[pitaya::remote]
        impl api::room::RoomApi for super::Room {
            async fn enter(&self, msg: api::messages::Join) -> pitaya::Result<api::messages::Join> {
                self.other.enter(&msg).await
            }
        }
    }

    mod handlers {
        #[pitaya::handler]
        impl super::Room {
            pub async fn join(
                &self,
                session: pitaya::session::Session,
                msg: crate::api::messages::Join,
            ) -> pitaya::Result<()> {
                drop((session, msg));
                Ok(())
            }
        }
    }
}

#[test]
fn compiles() {
    // In a function, too.
    use pitaya::prelude::*;

    #[message]
    struct Local {
        name: String,
    }

    #[derive(Component)]
    struct Inner;

    #[handler]
    impl Inner {
        pub async fn join(&self, msg: Local) {
            drop(msg.name);
        }
    }

    let routes = (server::Room::JOIN.path().to_owned(), Inner::JOIN.path().to_owned());
    assert_eq!(routes, ("room.join".to_owned(), "inner.join".to_owned()));
    let _ = api::room::RoomApiClient::ENTER;
}
