//! Compression and bounded decompression of bodies (protocol.md, "Messages").
//!
//! A deflater keeps some 380 KB and an inflater some 50 KB, so each thread has one of each and uses them again and again.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::BytesMut;
use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};

/// Why a body could not be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InflateError {
    /// The header is not that of zlib data.
    #[error("zlib: invalid header")]
    Header,
    /// The data is truncated.
    #[error("unexpected EOF")]
    Truncated,
    /// The bytes after the header are not deflate data, or their checksum is wrong.
    #[error("zlib: invalid data")]
    Corrupt,
    /// It inflates to more than the limit.
    #[error("inflated data is larger than {limit} bytes")]
    TooLarge {
        /// The limit that was given, in bytes.
        limit: usize,
    },
}

/// The fastest level: measured on JSON of 128 bytes to 16 KiB it costs a third of the default level and gives back most of
/// what that saves.
const LEVEL: flate2::Compression = flate2::Compression::fast();
/// Largest output buffer that a thread keeps between two bodies.
const KEPT: usize = 64 * 1024;

static DEFLATE_CALLS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static DEFLATER: Cell<Option<Box<Deflater>>> = const { Cell::new(None) };
    static INFLATER: Cell<Option<Box<Decompress>>> = const { Cell::new(None) };
}

/// How often this process has run a body through the deflater, whatever came of it.
#[must_use]
pub fn deflate_calls() -> u64 {
    DEFLATE_CALLS.load(Relaxed)
}

/// Whether `bytes` begin like compressed data (zlib or gzip): the only sign by which a client tells a compressed handshake
/// reply from a plain one.
#[inline]
#[must_use]
pub const fn looks_compressed(bytes: &[u8]) -> bool {
    matches!(bytes, [0x78, 0x9c | 0x01 | 0xda | 0x5e, _, ..] | [0x1f, 0x8b, _, ..])
}

/// Appends `body` to `out` as zlib data if that is strictly shorter, else leaves `out` as it was. Returns whether it is shorter.
///
/// ```
/// use pitaya::wire::zlib;
///
/// let mut out = bytes::BytesMut::new();
/// assert!(!zlib::deflate(b"short", &mut out));
/// assert!(zlib::deflate(&[b'x'; 200], &mut out));
/// assert_eq!(zlib::inflate(&out, 200)?, [b'x'; 200]);
/// # Ok::<(), zlib::InflateError>(())
/// ```
pub fn deflate(body: &[u8], out: &mut BytesMut) -> bool {
    with_deflater(|deflater| match deflater.smaller(body) {
        Some(deflated) => {
            out.extend_from_slice(deflated);
            true
        }
        None => false,
    })
}

/// Runs a function with the deflater of this thread, or with a new one while that is in use or the thread ends.
pub(crate) fn with_deflater<R>(run: impl FnOnce(&mut Deflater) -> R) -> R {
    let mut deflater =
        (DEFLATER.try_with(Cell::take).ok().flatten()).unwrap_or_else(|| Box::new(Deflater::new()));
    let result = run(&mut deflater);
    // It fails only where the thread is ending, and then there is nothing to keep it for.
    let _ = DEFLATER.try_with(|kept| kept.set(Some(deflater)));
    result
}

/// A compressor and the buffer it writes to.
#[derive(Debug)]
pub(crate) struct Deflater {
    zlib: Compress,
    out: Vec<u8>,
}

impl Deflater {
    fn new() -> Self {
        Self { zlib: Compress::new(LEVEL, true), out: Vec::new() }
    }

    /// `body` as zlib data, if that is strictly shorter.
    pub(crate) fn smaller(&mut self, body: &[u8]) -> Option<&[u8]> {
        DEFLATE_CALLS.fetch_add(1, Relaxed);
        self.zlib.reset();
        self.out.clear();
        self.out.shrink_to(KEPT);
        // One byte less than the body is all the room it gets: what does not fit did not shrink.
        self.out.reserve(body.len().saturating_sub(1));
        if !self.run(body) {
            self.zlib = Compress::new(LEVEL, true);
            return None;
        }
        (self.zlib.total_out() < body.len() as u64).then_some(self.out.as_slice())
    }

    /// Runs the compressor to the end of its stream; output that does not fit into the buffer is dropped. Returns
    /// `false` if it did not get there, and then it cannot be used again.
    ///
    /// It finishes the stream although the output is dropped, because the library's reset forgets an open block, and a
    /// new compressor costs more than 30 times a short body.
    fn run(&mut self, body: &[u8]) -> bool {
        let done = self.zlib.compress_vec(body, &mut self.out, FlushCompress::Finish);
        if matches!(done, Ok(Status::StreamEnd)) {
            return true;
        }
        let mut dropped = [0; 1024];
        loop {
            let before = (self.zlib.total_in(), self.zlib.total_out());
            let unread = usize::try_from(before.0).ok().and_then(|read| body.get(read..)).unwrap_or_default();
            match self.zlib.compress(unread, &mut dropped, FlushCompress::Finish) {
                Ok(Status::StreamEnd) => return true,
                Ok(_) if before != (self.zlib.total_in(), self.zlib.total_out()) => {}
                _ => return false,
            }
        }
    }
}

/// The data that the zlib stream at the front of `bytes` holds, of at most `limit` bytes; what follows the stream is ignored.
/// The result never has more room than `limit`, however large it claims to become.
///
/// # Errors
/// [`InflateError`]; an output of exactly `limit` bytes is not one.
pub fn inflate(bytes: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
    check_header(bytes)?;
    let mut zlib =
        (INFLATER.try_with(Cell::take).ok().flatten()).unwrap_or_else(|| Box::new(Decompress::new(true)));
    zlib.reset(true);
    let result = run(&mut zlib, bytes, limit);
    let _ = INFLATER.try_with(|kept| kept.set(Some(zlib)));
    result
}

/// Rejects a header that is not zlib data, such as gzip and data with a preset dictionary.
fn check_header(bytes: &[u8]) -> Result<(), InflateError> {
    let [method, flags, ..] = *bytes else {
        return Err(InflateError::Truncated);
    };
    let deflate = method & 0x0f == 8 && method >> 4 <= 7;
    if deflate && u16::from_be_bytes([method, flags]) % 31 == 0 && flags & 0x20 == 0 {
        Ok(())
    } else {
        Err(InflateError::Header)
    }
}

fn run(zlib: &mut Decompress, bytes: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
    let mut out = Vec::with_capacity(bytes.len().saturating_mul(4).min(limit));
    loop {
        if out.len() == out.capacity() {
            if out.len() >= limit {
                return at_limit(zlib, bytes, limit).map(|()| out);
            }
            let room = out.capacity().saturating_mul(2).clamp(64, limit.max(64));
            out.reserve_exact(room.min(limit) - out.len());
        }
        let rest = unread(zlib, bytes);
        match zlib.decompress_vec(rest, &mut out, FlushDecompress::None) {
            Err(_) => return Err(InflateError::Corrupt),
            Ok(Status::StreamEnd) if out.len() > limit => {
                return Err(InflateError::TooLarge { limit });
            }
            Ok(Status::StreamEnd) => return Ok(out),
            // There was room for more, so it is input that ran out.
            Ok(_) if out.len() < out.capacity() => return Err(InflateError::Truncated),
            Ok(_) => {}
        }
    }
}

/// Whether the stream ends where the output has its largest length.
fn at_limit(zlib: &mut Decompress, bytes: &[u8], limit: usize) -> Result<(), InflateError> {
    let (mut probe, before) = ([0], zlib.total_out());
    let status = zlib.decompress(unread(zlib, bytes), &mut probe, FlushDecompress::None);
    match status {
        Err(_) => Err(InflateError::Corrupt),
        Ok(_) if zlib.total_out() > before => Err(InflateError::TooLarge { limit }),
        Ok(Status::StreamEnd) => Ok(()),
        Ok(_) => Err(InflateError::Truncated),
    }
}

fn unread<'a>(zlib: &Decompress, bytes: &'a [u8]) -> &'a [u8] {
    usize::try_from(zlib.total_in()).ok().and_then(|read| bytes.get(read..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn deflated(body: &[u8]) -> Option<BytesMut> {
        let mut out = BytesMut::new();
        deflate(body, &mut out).then_some(out)
    }

    #[test]
    fn deflated_data_is_shorter_with_known_header() {
        for len in 0..300 {
            let body = vec![b'x'; len];
            if let Some(out) = deflated(&body) {
                assert!(out.len() < len && looks_compressed(&out));
                assert_eq!(inflate(&out, len), Ok(body));
            } else {
                assert!(len < 20, "{len}");
            }
        }
    }

    /// The deflater stays usable.
    #[test]
    fn incompressible_data_changes_nothing() {
        let mut out = BytesMut::from(&b"kept"[..]);
        let mut state = 1u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .take(4096)
        .collect();
        assert!(!deflate(&noise, &mut out));
        assert_eq!(out, "kept");
        assert!(deflate(&[7; 1000], &mut out));
        assert_eq!(inflate(&out[4..], 1000), Ok(vec![7; 1000]));
    }

    #[test]
    fn abandoned_deflate_does_not_affect_the_next() {
        let mut x = 1_u32;
        let mut random = || {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            x.to_be_bytes()[0]
        };
        let text = b"bla".repeat(300);
        for len in (62_000..64_000).step_by(125).chain((185_000..197_000).step_by(1_500)) {
            let noise: Vec<u8> = std::iter::repeat_with(&mut random).take(len).collect();
            let mut out = BytesMut::new();
            assert!(!deflate(&noise, &mut out), "{len}");
            assert!(deflate(&text, &mut out));
            assert_eq!(inflate(&out, 900).as_ref(), Ok(&text), "after {len} bytes of noise");
        }
    }

    #[test]
    fn a_compressor_is_never_thrown_away() {
        let mut deflater = Deflater::new();
        let mut random = fastrand::Rng::with_seed(7);
        let lengths = (0..300).chain((1..30).map(|n| n * 7_001));
        for len in lengths {
            for bits in [0xff, 0x7f, 0x0f, 0x00] {
                let body: Vec<u8> = std::iter::repeat_with(|| random.u8(..) & bits).take(len).collect();
                deflater.zlib.reset();
                deflater.out = Vec::with_capacity(len.saturating_sub(1));
                assert!(deflater.run(&body), "{len} bytes, mask {bits:#x}");
            }
        }
    }

    #[test]
    fn every_run_of_the_deflater_is_counted() {
        let before = deflate_calls();
        let _ = (deflated(b"no"), deflated(&[0; 99]));
        assert!(deflate_calls() >= before + 2);
    }

    #[test]
    fn inflate_limit_is_exact() {
        for len in [0, 1, 63, 64, 65, 1000, 100_000] {
            let mut zlib = Vec::new();
            let mut c = Compress::new(LEVEL, true);
            zlib.reserve(len + 100);
            c.compress_vec(&vec![0; len], &mut zlib, FlushCompress::Finish).unwrap();
            let exact = inflate(&zlib, len).unwrap();
            assert!(exact.len() == len && exact.capacity() <= len, "{len}");
            assert_eq!(inflate(&zlib, len + 1).map(|out| out.len()), Ok(len));
            if len > 0 {
                let limit = len - 1;
                assert_eq!(inflate(&zlib, limit), Err(InflateError::TooLarge { limit }));
            }
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = deflated(&vec![0; 16 << 20]).unwrap();
        assert!(bomb.len() < 1 << 20);
        let limit = 4 << 20;
        assert_eq!(inflate(&bomb, limit), Err(InflateError::TooLarge { limit }));
    }

    #[test]
    fn cut_or_flipped_stream_is_an_error() {
        let body = "a body that is worth deflating, worth deflating, worth it".repeat(3);
        let stream = deflated(body.as_bytes()).unwrap();
        for cut in 0..stream.len() {
            assert_eq!(inflate(&stream[..cut], 1000), Err(InflateError::Truncated));
        }
        for at in 0..stream.len() {
            let mut bad = stream.clone();
            bad[at] ^= 0x55;
            assert!(inflate(&bad, 1000).is_err(), "byte {at}");
        }
        let mut long = stream;
        long.extend_from_slice(b"trailing bytes");
        assert_eq!(inflate(&long, 1000), Ok(body.into_bytes()));
    }

    #[test]
    fn gzip_raw_text_and_preset_dictionaries_are_not_zlib() {
        for bytes in [&b"\x1f\x8b\x08\0"[..], b"arbitrary data", b"\x78\x20\0\0"] {
            assert_eq!(inflate(bytes, 10), Err(InflateError::Header));
        }
        assert_eq!(inflate(b"", 10), Err(InflateError::Truncated));
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(body in prop::collection::vec(0u8..4, 0..2000)) {
            if let Some(out) = deflated(&body) {
                prop_assert!(out.len() < body.len());
                prop_assert_eq!(inflate(&out, body.len()), Ok(body));
            }
        }

        #[test]
        fn any_bytes_inflate_within_the_limit_or_fail(tail in prop::collection::vec(any::<u8>(), 0..200), limit in 0usize..500) {
            let mut bytes = vec![0x78, 0x9c];
            bytes.extend(tail);
            if let Ok(out) = inflate(&bytes, limit) {
                prop_assert!(out.capacity() <= limit);
            }
        }
    }
}
