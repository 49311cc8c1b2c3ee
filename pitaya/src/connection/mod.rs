//! Placeholder of the `connection` room.
