//! Placeholder of the `module` room.
