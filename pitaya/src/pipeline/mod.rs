//! Placeholder of the `pipeline` room.
