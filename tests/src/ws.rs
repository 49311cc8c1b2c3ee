//! WebSocket by hand: for what a proper client would never send.

use std::io;

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::soon;

/// A ping without a body.
pub const PING: &[u8] = &[0x89, 0x80, 0, 0, 0, 0];

/// A masked binary frame; the mask is zero, so that the payload is as it is.
pub fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = head(payload.len());
    frame.extend_from_slice(payload);
    frame
}

/// Returns the header of such a frame.
pub fn head(payload: usize) -> Vec<u8> {
    let mut head = vec![0x82];
    match (u8::try_from(payload), u16::try_from(payload)) {
        (Ok(short @ ..=125), _) => head.push(0x80 | short),
        (_, Ok(medium)) => {
            head.push(0x80 | 126);
            head.put_u16(medium);
        }
        _ => {
            head.push(0x80 | 127);
            head.put_u64(u64::try_from(payload).expect("64 bits"));
        }
    }
    head.extend_from_slice(&[0; 4]);
    head
}

/// The request to upgrade, with this target.
#[must_use]
pub fn upgrade_request(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
}

/// Upgrades a connection, with this request target.
///
/// # Errors
/// If the server closes, or answers something else.
pub async fn upgrade(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), target: &str) -> io::Result<()> {
    stream.write_all(upgrade_request(target).as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        // Nothing comes after the head before we say something.
        if soon("the upgrade", stream.read_buf(&mut answer)).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    if answer.starts_with(b"HTTP/1.1 101 ") {
        Ok(())
    } else {
        Err(io::Error::other(String::from_utf8_lossy(&answer)))
    }
}
