//! Placeholder of the `app` room.
