//! What the programs that measure share.

pub mod proc;
