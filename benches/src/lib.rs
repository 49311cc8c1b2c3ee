//! Code that the measuring programs share.

pub mod bare;
pub mod proc;
