//! The PROXY protocol, v1 (text) and v2 (binary), by which a balancer names the client (protocol.md, "Transports").

use std::net::SocketAddr;

use ppp::{v1, v2};
use tokio::{io::AsyncReadExt, net::TcpStream};

use super::OpenError;

/// The longest v1 line, with its line end.
const V1_LONGEST: usize = 107;
/// Signature, version and command, family, length.
const V2_FIXED: usize = 16;
/// The most bytes after the fixed part: addresses, and extensions, which are ignored.
const V2_LONGEST_REST: usize = 2048;

/// Reads the header at the start of a connection, and no further byte. Returns the client's address.
///
/// Returns `None` for a header without an address (`UNKNOWN`, `LOCAL`, `UNSPEC`). The address of the socket is then the
/// client's.
pub(super) async fn read_header(stream: &mut TcpStream) -> Result<Option<SocketAddr>, OpenError> {
    match read(&mut Exact(stream)).await? {
        Header::V1(line, length) => parse_v1(&line[..length]),
        Header::V2(bytes) => parse_v2(&bytes),
    }
}

enum Header {
    V1([u8; V1_LONGEST], usize),
    V2(Vec<u8>),
}

async fn read(stream: &mut Exact<'_>) -> Result<Header, OpenError> {
    let mut first = [0];
    stream.fill(&mut first).await?;
    match first[0] {
        b'P' => read_v1(stream).await,
        b'\r' => read_v2(stream).await,
        _ => Err(refuse("the connection does not begin with one")),
    }
}

async fn read_v1(stream: &mut Exact<'_>) -> Result<Header, OpenError> {
    const START: &[u8] = b"PROXY ";
    let mut line = [0; V1_LONGEST];
    line[0] = b'P';
    let mut length = 1;
    while length < V1_LONGEST {
        // The bytes up to the end of the line belong to the header and are consumed. Later ones stay in the socket for TLS or
        // the first packet.
        let there = stream.peek(&mut line[length..]).await?;
        let fresh = &line[length..length + there];
        let end = fresh.iter().position(|byte| *byte == b'\n');
        let take = end.map_or(there, |at| at + 1);
        stream.fill(&mut line[length..length + take]).await?;
        length += take;
        let known = length.min(START.len());
        if line[..known] != START[..known] {
            return Err(refuse("the connection does not begin with one"));
        }
        if end.is_some() {
            return Ok(Header::V1(line, length));
        }
    }
    Err(refuse("a v1 line is longer than 107 bytes"))
}

async fn read_v2(stream: &mut Exact<'_>) -> Result<Header, OpenError> {
    let mut header = vec![0; V2_FIXED];
    header[0] = b'\r';
    stream.fill(&mut header[1..]).await?;
    if header[..12] != *v2::PROTOCOL_PREFIX {
        return Err(refuse("the connection does not begin with one"));
    }
    let rest = usize::from(u16::from_be_bytes([header[14], header[15]]));
    if rest > V2_LONGEST_REST {
        return Err(refuse("a v2 header says that it is longer than 2048 bytes"));
    }
    header.resize(V2_FIXED + rest, 0);
    stream.fill(&mut header[V2_FIXED..]).await?;
    Ok(Header::V2(header))
}

/// Parses a whole line, with its line end.
fn parse_v1(line: &[u8]) -> Result<Option<SocketAddr>, OpenError> {
    // Text after UNKNOWN is ignored.
    let unknown = line.strip_prefix(b"PROXY UNKNOWN").and_then(|rest| rest.strip_suffix(b"\r\n"));
    if unknown.is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b' ')) {
        return Ok(None);
    }
    let header = v1::Header::try_from(line).map_err(|error| refuse(error.to_string()))?;
    if header.header.len() != line.len() {
        return Err(refuse("there is text after the line"));
    }
    // The library accepts the ports `+1` and `001`, and a space and a line feed as the line end.
    let is_port = |text: &[u8]| match text {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let text = line.strip_suffix(b"\r\n").unwrap_or_default();
    if !text.split(|byte| *byte == b' ').skip(4).map(is_port).eq([true, true]) {
        return Err(refuse("the line does not end with two ports and CRLF"));
    }
    Ok(match header.addresses {
        v1::Addresses::Tcp4(ip) => Some(SocketAddr::from((ip.source_address, ip.source_port))),
        v1::Addresses::Tcp6(ip) => Some(SocketAddr::from((ip.source_address, ip.source_port))),
        v1::Addresses::Unknown => None,
    })
}

/// Parses a whole header: the fixed part, and as many bytes as its length says.
fn parse_v2(header: &[u8]) -> Result<Option<SocketAddr>, OpenError> {
    // LOCAL is a connection of the balancer itself, such as a health check. Its addresses mean nothing.
    if header.get(12) == Some(&0x20) {
        return Ok(None);
    }
    let header = v2::Header::try_from(header).map_err(|error| refuse(error.to_string()))?;
    match header.addresses {
        v2::Addresses::IPv4(ip) => Ok(Some((ip.source_address, ip.source_port).into())),
        v2::Addresses::IPv6(ip) => Ok(Some((ip.source_address, ip.source_port).into())),
        v2::Addresses::Unspecified => Ok(None),
        v2::Addresses::Unix(_) => Err(refuse("it names a Unix socket, which is not an internet address")),
    }
}

/// Reads a whole header.
///
/// # Errors
/// The header is invalid.
#[cfg(feature = "__fuzz")]
pub fn hidden_proxy_header(header: &[u8]) -> Result<Option<SocketAddr>, OpenError> {
    if header.first() == Some(&b'P') { parse_v1(header) } else { parse_v2(header) }
}

fn refuse(reason: impl Into<String>) -> OpenError {
    OpenError::Proxy(reason.into())
}

/// Fills the buffer. A connection that ends before has an incomplete header.
struct Exact<'a>(&'a mut TcpStream);

impl Exact<'_> {
    async fn fill(&mut self, buffer: &mut [u8]) -> Result<(), OpenError> {
        match self.0.read_exact(buffer).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(ended()),
            Err(error) => Err(error.into()),
        }
    }

    async fn peek(&mut self, buffer: &mut [u8]) -> Result<usize, OpenError> {
        match self.0.peek(buffer).await? {
            0 => Err(ended()),
            there => Ok(there),
        }
    }
}

fn ended() -> OpenError {
    refuse("the connection ended before the header did")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A v2 header of this command, family and rest.
    fn v2_header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut header = v2::PROTOCOL_PREFIX.to_vec();
        header.extend([command, family]);
        header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
        header.extend(rest);
        header
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    const IPV4: &[u8] = &[203, 0, 113, 7, 10, 0, 0, 1, 0x9e, 0x48, 0x0c, 0xb2];

    #[test]
    fn a_v1_line_gives_the_source() {
        let v4 = parse_v1(b"PROXY TCP4 203.0.113.7 10.0.0.1 40520 3250\r\n").unwrap();
        assert_eq!(v4, Some(address("203.0.113.7:40520")));
        let v6 = parse_v1(b"PROXY TCP6 2001:db8::7 2001:db8::1 40520 3250\r\n").unwrap();
        assert_eq!(v6, Some(address("[2001:db8::7]:40520")));
    }

    #[test]
    fn v1_unknown_gives_no_address_whatever_follows_it() {
        for line in [
            &b"PROXY UNKNOWN\r\n"[..],
            b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n",
            b"PROXY UNKNOWN a b c d e f g h\r\n",
        ] {
            assert_eq!(parse_v1(line).unwrap(), None);
        }
    }

    #[test]
    fn bad_v1_lines_are_refused() {
        for line in [
            &b"PROXY TCP4 203.0.113.7 10.0.0.1 40520 3250\n"[..],
            b"PROXY TCP4 203.0.113.7 10.0.0.1 40520\r\n",
            b"PROXY TCP4 203.0.113.7 10.0.0.1 40520 99999\r\n",
            b"PROXY TCP4 2001:db8::7 10.0.0.1 1 2\r\n",
            b"PROXY TCP4 203.0.113.7 10.0.0.1 1 2\rX\n",
            b"PROXY TCP4 203.0.113.7 10.0.0.1 +1 2\r\n",
            b"PROXY TCP4 203.0.113.7 10.0.0.1 1 +2\r\n",
            b"PROXY TCP4 203.0.113.7 10.0.0.1 01 2\r\n",
            b"PROXY TCP4 203.0.113.7 10.0.0.1 1 2 \n",
            b"PROXY TCP4 203.0.113.7 10.0.0.1 1 2 \r\n",
            b"PROXY UDP4 203.0.113.7 10.0.0.1 1 2\r\n",
            b"PROXY UNKNOWNS\r\n",
            b"PROXY \xff\r\n",
            b"PROXY \r\n",
        ] {
            assert!(parse_v1(line).is_err(), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn v2_header_gives_source_and_ignores_tlvs() {
        let source = Some(address("203.0.113.7:40520"));
        assert_eq!(parse_v2(&v2_header(0x21, 0x11, IPV4)).unwrap(), source);
        let with_extensions = [IPV4, &[0x04, 0x00, 0x02, 1, 2, 0xff, 0xff]].concat();
        assert_eq!(parse_v2(&v2_header(0x21, 0x11, &with_extensions)).unwrap(), source);
        let mut v6 = [0_u8; 36];
        v6[..2].copy_from_slice(&[0x20, 0x01]);
        v6[15] = 7;
        v6[32..34].copy_from_slice(&[0x01, 0x00]);
        let parsed = parse_v2(&v2_header(0x21, 0x21, &v6)).unwrap();
        assert_eq!(parsed, Some(address("[2001::7]:256")));
    }

    #[test]
    fn v2_local_and_unspec_give_no_address() {
        assert_eq!(parse_v2(&v2_header(0x20, 0x00, &[])).unwrap(), None);
        assert_eq!(parse_v2(&v2_header(0x20, 0x11, IPV4)).unwrap(), None);
        assert_eq!(parse_v2(&v2_header(0x20, 0x11, &[])).unwrap(), None);
        assert_eq!(parse_v2(&v2_header(0x21, 0x00, &[1, 2, 3])).unwrap(), None);
    }

    /// Unix sockets, unknown versions and commands, and addresses that are too short.
    #[test]
    fn v2_header_refuses_unsupported_forms() {
        for header in [
            v2_header(0x21, 0x31, &[0; 216]),
            v2_header(0x21, 0x32, &[0; 230]),
            v2_header(0x11, 0x11, IPV4),
            v2_header(0x22, 0x11, IPV4),
            v2_header(0x21, 0x51, IPV4),
            v2_header(0x21, 0x11, &IPV4[..11]),
        ] {
            assert!(parse_v2(&header).is_err(), "{}", header.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_address_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_v1(&bytes);
            let _ = parse_v2(&bytes);
            let _ = parse_v1(&[b"PROXY TCP4 ", &bytes[..]].concat());
            let _ = parse_v2(&[v2::PROTOCOL_PREFIX, &bytes[..]].concat());
        }
    }
}
