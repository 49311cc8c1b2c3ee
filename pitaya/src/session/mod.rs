//! Sessions: the state of one client on the server, and the ways to reach the client.
//!
//! A [`Session`] is a cheap handle, the same for each transport. It has an id, a uid once it is bound, data that
//! lives as long as the connection, and the methods to push, kick and close. The [`SessionPool`] finds sessions by id
//! and by uid.
//!
//! In a cluster a session is on the frontend that has the connection. A handler on another server has a copy while it
//! runs. The copy binds, pushes, kicks and changes the data of the session on its frontend.
//!
//! | file | holds |
//! |---|---|
//! | `handle`, `side` | [`Session`], and which of the two sessions it is a handle to |
//! | `frontend`, `backend` | the session on the server that has the connection; the copy on another server |
//! | `outbox` | the packets to one client, their limits, and the policy for a full outbox |
//! | `pushing` | [`Pushing`]: a push that waits while the outbox is full |
//! | `frontend/sending` | a push that does not wait: what a full outbox means for its sender and its client |
//! | `binding`, `frontend/enter` | binds |
//! | `frontend/closing`, `frontend/ending` | how a session ends |
//! | `pool`, `callback` | all sessions of the app, and the callbacks that concern them |
//! | `data`, `formats`, `recoding` | session data; pushes and bodies in the serializers of sessions |

mod backend;
mod binding;
mod callback;
mod data;
mod formats;
mod frontend;
mod handle;
mod outbox;
mod pool;
mod pushing;
mod recoding;
mod side;
mod testing;
mod uid;

pub(crate) use self::backend::BackendSession;
pub(crate) use self::callback::{Callbacks, bind_callback, close_callback};
pub use self::data::SessionData;
pub(crate) use self::formats::{FormattedPush, log_failed};
pub use self::frontend::CloseReason;
pub(crate) use self::frontend::{CallId, FrontendSession, Via};
pub use self::handle::Session;
pub(crate) use self::outbox::{Batch, OutboxLimits, TrySendError};
pub use self::pool::SessionPool;
pub(crate) use self::pool::{OutboxMeters, Pool, Settings, encode_body};
pub use self::pushing::Pushing;
pub(crate) use self::recoding::{Recoded, Recoding};
pub(crate) use self::side::Side;
pub use self::testing::Pushes;
pub use self::uid::check_uid;
pub(crate) use self::uid::shortened;
