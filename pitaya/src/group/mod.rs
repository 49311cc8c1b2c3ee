//! Placeholder of the `group` room.
