//! Placeholder of the `client` room.
