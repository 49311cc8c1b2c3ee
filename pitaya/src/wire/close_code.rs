//! The codes of WebSocket close frames (docs/protocol.md, "Kick and close").

/// The server closed the session, without a further reason.
pub const NORMAL: u16 = 1000;
/// The server stops.
pub const GOING_AWAY: u16 = 1001;
/// The client broke the protocol.
pub const PROTOCOL: u16 = 1002;
/// A message or packet, or what it inflates to, is too large.
pub const TOO_LARGE: u16 = 1009;
/// The session was kicked.
pub const KICKED: u16 = 4000;
/// A newer session of the same user took its place.
pub const REPLACED: u16 = 4001;
/// The handshake was refused.
pub const REFUSED: u16 = 4002;
/// The client was silent for too long, or took too long over a handshake or a packet.
pub const TIMEOUT: u16 = 4003;
/// The client read too slowly.
pub const TOO_SLOW: u16 = 4004;
