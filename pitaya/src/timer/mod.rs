//! Placeholder of the `timer` room.
