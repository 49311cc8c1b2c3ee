//! Placeholder of the `serialize` room.
