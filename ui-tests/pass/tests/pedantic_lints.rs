//! No lint fires in a crate that denies what it can.
#![deny(missing_docs, missing_debug_implementations, unreachable_pub, unused_qualifications, warnings)]
#![deny(clippy::all, clippy::pedantic)]
#![forbid(unsafe_code)]

mod inner {
    //! In a private module, where nothing `pub` is reachable.
    use pitaya::prelude::*;

    /// Joins.
    #[message]
    pub(crate) struct Join {
        /// A name.
        pub(crate) name: String,
    }

    #[derive(Debug, Component)]
    pub(crate) struct Entry;

    #[handler(server = "connector")]
    impl Entry {
        /// Joins.
        pub async fn join(&self, msg: Join) -> Result<Join> {
            Ok(msg)
        }
    }

    #[remote(server = "connector")]
    impl Entry {
        /// Joins.
        pub async fn enter(&self, msg: Join) -> Result<Join> {
            Ok(msg)
        }
    }
}

/// The public part.
pub mod api {
    use pitaya::prelude::*;
    use pitaya::{PitayaError, session};

    pub use crate::inner::*;

    /// A place.
    #[message(proto)]
    pub struct Place {
        /// Across.
        #[tag(1)]
        pub x: f64,
        /// Whose.
        #[tag(2, enum(Team))]
        pub team: i32,
    }

    /// A team.
    #[message(proto)]
    pub enum Team {
        /// No team.
        None = 0,
    }

    /// A mood.
    #[message]
    #[serde(rename_all = "lowercase")]
    pub enum Mood {
        /// All is well.
        Calm,
        /// Something happened.
        #[serde(rename = "scared")]
        Afraid,
    }

    /// A deed.
    #[message]
    #[serde(rename_all_fields = "camelCase")]
    pub enum Deed {
        /// Goes there.
        Go {
            /// To which place.
            to_place: Option<Place>,
        },
        /// Is seen.
        Show(Seen),
        /// Nothing.
        Rest,
    }

    /// Seen by all.
    #[message(lenient, push = "onSeen")]
    pub struct Seen {
        /// Where.
        pub place: Option<Place>,
        /// In which mood.
        pub mood: Option<Mood>,
    }

    /// A player.
    #[session]
    #[derive(Default)]
    pub struct Player {
        name: String,
    }

    /// The calls that any server may send.
    #[remote(server = "room")]
    pub trait RoomApi {
        /// Moves.
        async fn step(&self, req: Place) -> Result<Seen>;
        /// Leaves.
        async fn leave(&self);
    }

    /// The room.
    #[derive(Debug, Component)]
    pub struct Room;

    #[remote]
    impl RoomApi for Room {
        async fn step(&self, req: Place) -> Result<Seen> {
            Ok(Seen { place: Some(req), mood: Some(Mood::Calm) })
        }
        async fn leave(&self) {}
    }

    #[handler]
    impl Room {
        /// Says who plays.
        ///
        /// # Errors
        /// None.
        pub async fn who(&self, session: Session<Player>) -> Result<Option<Seen>> {
            let _ = session.data()?.name;
            Ok(None)
        }
    }

    /// Fails.
    #[derive(Debug, thiserror::Error, PitayaError)]
    #[error("full")]
    #[pitaya(code = "ROOM-1")]
    pub struct Full;
}

#[test]
fn compiles() {
    let _ = (&inner::Entry, inner::EntryClient::ENTER, api::RoomApiClient::STEP);
}
