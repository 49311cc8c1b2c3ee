//! Code that the measuring programs share.

pub mod bare;
#[cfg(feature = "cluster")]
pub mod grpc;
pub mod proc;
