//! Placeholder of the `session` room.
