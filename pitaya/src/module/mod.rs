#![allow(missing_docs, missing_debug_implementations)]
//! stub
use crate::{error::Result, services::Services};
use std::{future::Future, time::Duration};
pub trait Module: Send + Sync + 'static {}
pub trait SessionModule: Module {}
#[derive(Default)]
pub struct Modules;
#[derive(Debug)]
pub enum Drained {
    Empty,
}
impl Modules {
    pub fn register_after<M: Module>(&mut self, _: impl Into<String>, _: M) -> Result<()> {
        Ok(())
    }
    pub fn register_before<M: Module>(&mut self, _: impl Into<String>, _: M) -> Result<()> {
        Ok(())
    }
    pub fn register_session<M: SessionModule>(&mut self, _: impl Into<String>, _: M) -> Result<()> {
        Ok(())
    }
    pub async fn init(&self, _: &Services) -> Result<()> {
        Ok(())
    }
    pub async fn after_init(&self) {}
    pub async fn stop(&self, _: Duration, _: &tokio_util::sync::CancellationToken) {}
    pub async fn drain(
        &self,
        _: impl Fn() -> usize,
        _: Duration,
        _: Duration,
        _: impl Future<Output = ()>,
    ) -> Drained {
        Drained::Empty
    }
}
