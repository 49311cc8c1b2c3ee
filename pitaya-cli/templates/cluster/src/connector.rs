//! The connector: logs users in.

use pitaya::PitayaError;
use pitaya::prelude::*;

use crate::room::{Leave, RoomApiClient};

/// The most bytes of a name.
const LONGEST: usize = 20;

/// Logs in.
#[message]
pub struct Login {
    /// The name: letters and digits.
    pub name: String,
}

/// The answer to [`Login`].
#[message]
pub struct LoggedIn {
    /// The uid of the user.
    pub uid: String,
}

/// The reasons of a failed login.
#[derive(Debug, thiserror::Error, PitayaError)]
pub enum LoginError {
    /// The name is empty, too long, or has other characters than letters and digits.
    #[error("a name has 1 to {LONGEST} letters and digits")]
    #[pitaya(code = "GAME-001")]
    InvalidName,
    /// The session has ended, or has a user already.
    #[error("failed to bind the session: {0}")]
    #[pitaya(code = "GAME-002")]
    Session(#[from] Error),
}

/// Logs users in.
#[derive(Debug, Component)]
pub struct Entry {
    rooms: RoomApiClient,
}

#[handler(server = "connector")]
impl Entry {
    /// Logs a user in by name. A real game checks a token instead.
    pub async fn login(&self, session: Session, msg: Login) -> Result<LoggedIn, LoginError> {
        let uid = msg.name;
        if uid.is_empty() || uid.len() > LONGEST || !uid.chars().all(char::is_alphanumeric) {
            return Err(LoginError::InvalidName);
        }
        session.bind(&uid).await?;
        let (rooms, leave) = (self.rooms.clone(), Leave { uid: uid.clone() });
        session.on_close(async move |_| {
            if let Err(error) = rooms.leave(&leave).await {
                tracing::warn!(%error, uid = leave.uid, "failed to leave the room");
            }
        })?;
        Ok(LoggedIn { uid })
    }
}
