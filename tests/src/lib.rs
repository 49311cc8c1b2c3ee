//! What the tests against real servers and recorded bytes share.

pub mod vectors;
