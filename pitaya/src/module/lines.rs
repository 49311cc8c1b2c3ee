//! Bytes into lines, for a log: pure.

use std::str;

/// The longest line; what is longer comes in pieces.
pub(super) const MAX: usize = 64 * 1024;

/// Collects the bytes of a stream and gives its lines.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<u8>);

impl Lines {
    /// Takes what was read; calls `line` for each line that ends in it, without its end.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut line: impl FnMut(&str)) {
        while !bytes.is_empty() {
            let room = MAX - self.0.len();
            let end = bytes.iter().take(room + 1).position(|byte| *byte == b'\n');
            let (part, rest) = match end {
                Some(end) => (&bytes[..end], &bytes[end + 1..]),
                None => bytes.split_at(bytes.len().min(room)),
            };
            self.0.extend_from_slice(part);
            bytes = rest;
            if end.is_some() {
                let text = self.0.strip_suffix(b"\r").unwrap_or(&self.0);
                line(&String::from_utf8_lossy(text));
                self.0.clear();
            } else if self.0.len() == MAX && !rest.is_empty() {
                // A piece does not end within a character, if it is text at all.
                let cut = match str::from_utf8(&self.0) {
                    Err(error) if error.error_len().is_none() => error.valid_up_to(),
                    _ => MAX,
                };
                line(&String::from_utf8_lossy(&self.0[..cut]));
                self.0.drain(..cut);
            }
        }
    }

    /// The stream has ended; calls `line` for a last line without an end.
    pub(super) fn finish(self, line: impl FnOnce(&str)) {
        if !self.0.is_empty() {
            line(&String::from_utf8_lossy(&self.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines<'a>(reads: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let (mut lines, mut all) = (Lines::default(), Vec::new());
        for read in reads {
            lines.push(read, |line| all.push(line.to_owned()));
        }
        lines.finish(|line| all.push(line.to_owned()));
        all
    }

    #[test]
    fn lines_end_with_either_ending_or_the_stream() {
        assert_eq!(lines([&b"a\nb"[..], b"c\r\n\n", b"d\r", b"\ne"]), ["a", "bc", "", "d", "e"]);
        assert!(lines([]).is_empty());
    }

    #[test]
    fn a_long_line_comes_in_pieces_and_nothing_is_lost() {
        let long = "x".repeat(2 * MAX + 10) + "\ny";
        let lines = lines([long.as_bytes()]);
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [MAX, MAX, 10, 1]);
    }

    #[test]
    fn a_line_of_exactly_the_longest_length_is_one_line() {
        let long = "x".repeat(MAX) + "\ny";
        assert_eq!(lines([long.as_bytes()]).iter().map(String::len).collect::<Vec<_>>(), [MAX, 1]);
        let (start, end) = long.as_bytes().split_at(MAX);
        assert_eq!(lines([start, end]).iter().map(String::len).collect::<Vec<_>>(), [MAX, 1]);
    }

    #[test]
    fn a_piece_does_not_end_within_a_character() {
        let long = "x".repeat(MAX - 1) + "€uro";
        assert_eq!(lines([long.as_bytes()]), ["x".repeat(MAX - 1), "€uro".to_owned()]);
        let mut bytes = vec![0xff; MAX];
        bytes.push(b'\n');
        assert_eq!(lines([&bytes[..]])[0].chars().count(), MAX);
    }

    proptest! {
        #[test]
        fn how_the_bytes_were_read_does_not_matter(
            parts in prop::collection::vec(prop::collection::vec(prop::sample::select(b"ab\r\n\xe2\x82".to_vec()), 0..6), 0..8),
        ) {
            let whole = parts.concat();
            prop_assert_eq!(lines(parts.iter().map(|p| &p[..])), lines([&whole[..]]));
        }
    }
}
