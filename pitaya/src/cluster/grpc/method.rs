//! The methods of `protos.Pitaya` and `protos.Peer`.

use tonic::codegen::http::uri::PathAndQuery;

/// The client stream of `protos.Peer`.
pub(super) const MESSAGES: &str = "/protos.Peer/Messages";

/// A unary method of `protos.Pitaya`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// A request.
    Call,
    /// Another message.
    Deliver(Delivery),
}

/// A message that is answered without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// A push to a user.
    Push,
    /// A kick of a user.
    Kick,
    /// The announcement of a bind.
    Bound,
}

impl Method {
    const ALL: [Self; 4] = [
        Self::Call,
        Self::Deliver(Delivery::Push),
        Self::Deliver(Delivery::Kick),
        Self::Deliver(Delivery::Bound),
    ];

    /// Returns the method with this path.
    pub(super) fn find(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == path)
    }

    pub(super) fn path(self) -> PathAndQuery {
        PathAndQuery::from_static(self.name())
    }

    fn name(self) -> &'static str {
        match self {
            Self::Call => "/protos.Pitaya/Call",
            Self::Deliver(Delivery::Push) => "/protos.Pitaya/PushToUser",
            Self::Deliver(Delivery::Kick) => "/protos.Pitaya/KickUser",
            Self::Deliver(Delivery::Bound) => "/protos.Pitaya/SessionBindRemote",
        }
    }
}
