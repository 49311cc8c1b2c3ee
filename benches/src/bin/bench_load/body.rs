//! Bodies of requests, and the check of their echo.

use std::io::{self, Read};

use flate2::read::ZlibDecoder;

use crate::args::{Args, Content, Shape};

const SENTENCE: &[u8] = b"the quick brown fox jumps over the lazy dog and ";
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The body of all requests of a run.
pub(crate) fn make(args: &Args) -> Vec<u8> {
    let content = |len: usize, noise: fn(u8) -> u8| -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let random = std::iter::from_fn(move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            Some(noise(state.to_be_bytes()[3]))
        });
        match args.content {
            Content::Text => SENTENCE.iter().copied().cycle().take(len).collect(),
            Content::Random => random.take(len).collect(),
        }
    };
    let letter: fn(u8) -> u8 = |byte| LETTERS[usize::from(byte) % LETTERS.len()];
    match args.shape {
        Shape::Raw => content(args.body, |byte| byte),
        Shape::Json => {
            [b"{\"text\":\"", content(args.body.saturating_sub(11), letter).as_slice(), b"\"}"].concat()
        }
        Shape::Protobuf => {
            let text = content(args.body.saturating_sub(if args.body < 130 { 2 } else { 3 }), letter);
            let mut body = vec![0x0a];
            let mut rest = text.len();
            while rest > 0x7f {
                body.push(rest.to_le_bytes()[0] | 0x80);
                rest >>= 7;
            }
            body.push(rest.to_le_bytes()[0]);
            body.extend_from_slice(&text);
            body
        }
    }
}

/// The body that must come back. A deflated one is inflated once; after that, equal bytes are equal.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    plain: Vec<u8>,
    deflated: Vec<u8>,
}

impl Expected {
    /// Expects `plain`.
    pub(crate) fn new(plain: Vec<u8>) -> Self {
        Self { plain, deflated: Vec::new() }
    }

    /// Whether this is it.
    pub(crate) fn check(&mut self, body: &[u8], deflated: bool) -> io::Result<()> {
        let same = if deflated { body == self.deflated || self.learn(body)? } else { body == self.plain };
        if same { Ok(()) } else { Err(io::Error::other("an answer is not what was asked for")) }
    }

    fn learn(&mut self, body: &[u8]) -> io::Result<bool> {
        let mut inflated = Vec::with_capacity(self.plain.len());
        ZlibDecoder::new(body).read_to_end(&mut inflated)?;
        let same = inflated == self.plain;
        if same {
            self.deflated = body.to_vec();
        }
        Ok(same)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// Both in plain bodies and in deflated ones.
    #[test]
    fn altered_echo_is_detected() {
        let mut expected = Expected::new(b"what was asked, what was asked".to_vec());
        let deflate = |body: &[u8]| {
            let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            zlib.write_all(body).unwrap();
            zlib.finish().unwrap()
        };
        let (right, wrong) = (deflate(b"what was asked, what was asked"), deflate(b"something else"));
        for _ in 0..2 {
            expected.check(b"what was asked, what was asked", false).unwrap();
            expected.check(&right, true).unwrap();
            assert!(expected.check(b"what was asked", false).is_err());
            assert!(expected.check(&wrong, true).is_err());
            assert!(expected.check(b"no zlib", true).is_err());
        }
    }

    #[test]
    fn bodies_have_the_size_that_was_asked_for() {
        for shape in ["raw", "json", "protobuf"] {
            for size in ["64", "128", "129", "130", "1024", "4096"] {
                let line =
                    format!("echo --addr 127.0.0.1:1 --pid 1 --shape {shape} --body {size} --content random");
                let args = Args::parse(line.split(' ').map(str::to_owned)).unwrap();
                let made = make(&args).len();
                // A text of 128 bytes is the first whose length takes two bytes, so that no body has 130.
                assert!(
                    made == args.body || (shape == "protobuf" && made.abs_diff(args.body) == 1),
                    "{line}: {made}"
                );
            }
        }
    }
}
