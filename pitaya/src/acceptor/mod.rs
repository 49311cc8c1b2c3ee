//! stub
#![allow(missing_docs, missing_debug_implementations)]
use crate::wire::packet::Kind;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> ByteStream for T {}
pub trait PacketStream: Send + 'static {
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>>;
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn start_send(&mut self, packet: Bytes) -> io::Result<()>;
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn set_max_packet(&mut self, _bytes: usize) {}
}
pub enum Link {
    Bytes(Box<dyn ByteStream>),
    Packets(Box<dyn PacketStream>),
}
#[derive(Debug, Clone)]
pub struct Peer(pub String);
impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl Peer {
    pub fn ip_version(&self) -> &'static str {
        "ipv4"
    }
}
pub struct Opened {
    pub link: Link,
    pub peer: Peer,
}
pub struct Incoming {
    peer: Peer,
    open: BoxFuture<'static, io::Result<Opened>>,
    w: Vec<Arc<dyn Wrapper>>,
}
impl Incoming {
    pub fn peer(&self) -> &Peer {
        &self.peer
    }
    pub fn into_parts(self) -> (BoxFuture<'static, io::Result<Opened>>, Vec<Arc<dyn Wrapper>>) {
        (self.open, self.w)
    }
}
pub trait Wrapper: Send + Sync + 'static {
    fn wrap(&self, peer: &Peer) -> Box<dyn Filter>;
}
pub trait Filter: Send {
    fn incoming(&mut self, packet: &mut FilterPacket<'_>, now: Instant) -> Verdict;
}
pub struct FilterPacket<'a> {
    b: &'a [u8],
}
impl<'a> FilterPacket<'a> {
    pub fn new(_k: Kind, b: &'a [u8]) -> Self {
        Self { b }
    }
    pub fn body(&self) -> &[u8] {
        self.b
    }
}
#[derive(PartialEq)]
pub enum DropReason {
    RateLimit,
    Filter,
}
pub enum Verdict {
    Pass,
    Drop(DropReason),
    Close,
}
