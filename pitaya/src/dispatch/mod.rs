//! Placeholder of the `dispatch` room.
