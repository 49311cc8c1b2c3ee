//! A type has as many blocks as it likes, in other modules too.
#![allow(dead_code)]
use pitaya::prelude::*;

#[message]
pub struct Join {
    pub name: String,
}

pub mod rooms {
    use super::*;

    #[derive(Component)]
    pub struct Room;

    pub mod more {
        use super::super::Join;
        use pitaya::prelude::*;

        #[handler(server = "room", service = "more")]
        impl super::Room {
            #[route("join")]
            pub async fn join_more(&self, _msg: Join) {}
            const LIMIT: usize = { 1 + 1 };
            fn limit() -> usize {
                Self::LIMIT
            }
            pub(crate) async fn helper(&self, _anything: &mut u8) -> impl Sized {
                Self::limit()
            }
        }
    }

    #[handler(server = "room")]
    impl Room {
        pub async fn join(&self, _msg: Join) {}
    }

    #[handler]
    impl Room {
        pub async fn leave(&self, _msg: Join) {}
    }

    #[remote(server = "room")]
    impl Room {
        pub async fn join_it(&self, _msg: Join) {}
    }
}

pub struct Store<T>(T);

#[handler(server = "shop")]
impl Store<u8> {
    pub async fn buy(&self, _msg: Join) -> Result<()> {
        let _ = self.0;
        Ok(())
    }
}

#[derive(Component)]
pub struct Tuple(#[component(default)] u8, #[component(default)] Vec<u8>);

#[handler(server = "shop")]
impl Tuple {
    pub async fn count(&self, Join { name }: Join, mut _session: Session) {
        _session = _session.clone();
        let _ = (name, self.0, &self.1);
    }
}

#[test]
fn compiles() {
    let _ = rooms::RoomClient::JOIN_IT;
}
