//! Placeholder of the `component` room.
