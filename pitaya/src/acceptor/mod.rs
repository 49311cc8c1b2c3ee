//! Placeholder of the `acceptor` room.
