//! What is sent, and whether it came back.

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
