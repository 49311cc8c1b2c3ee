//! The networks of trusted proxies.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

/// A set of IP networks, such as `10.0.0.0/8` and `2001:db8::/32`. A clone shares the list.
///
/// An IPv4 address in IPv6 form (`::ffff:10.0.0.1`) is the IPv4 address.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Networks(Arc<[Network]>);

impl Networks {
    /// Parses networks and single addresses.
    pub(crate) fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, String> {
        texts
            .iter()
            .map(|text| text.as_ref().parse())
            .collect::<Result<Vec<_>, _>>()
            .map(|all| Self(all.into()))
    }

    /// Returns whether one of the networks contains this address.
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|it| format!("{}/{}", it.address, it.prefix))).finish()
    }
}

/// The addresses that share a prefix.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// Returns whether the network contains a canonical address.
    fn contains(self, address: IpAddr) -> bool {
        let differ = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros(),
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros(),
            _ => return false,
        };
        differ >= self.prefix
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const EXAMPLE: &str = "write a network such as `10.0.0.0/8` or an address such as `10.0.0.1`";
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text.trim(), None),
        };
        let address: IpAddr =
            address.parse().map_err(|_| format!("`{text}` has no IP address: {EXAMPLE}"))?;
        let bits = if address.is_ipv4() { Ipv4Addr::BITS } else { Ipv6Addr::BITS };
        let prefix = match prefix {
            None => bits,
            // The parser accepts `+8`, which is not a prefix.
            Some(digits) => Some(digits)
                .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|digits| digits.parse().ok())
                .filter(|prefix| *prefix <= bits)
                .ok_or_else(|| format!("`{text}` has no prefix of 0 to {bits}: {EXAMPLE}"))?,
        };
        // `::ffff:10.0.0.0/104` is `10.0.0.0/8`.
        match (address.to_canonical(), address) {
            (canonical @ IpAddr::V4(_), IpAddr::V6(_)) if prefix >= 96 => {
                Ok(Self { address: canonical, prefix: prefix - 96 })
            }
            _ => Ok(Self { address, prefix }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contain(networks: &[&str], address: &str) -> bool {
        Networks::parse(networks).unwrap().contain(address.parse().unwrap())
    }

    #[test]
    fn a_network_has_the_addresses_of_its_prefix() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3/8", "10.255.0.1", "11.0.0.1"),
            ("192.168.1.128/25", "192.168.1.255", "192.168.1.127"),
            ("192.168.1.1", "192.168.1.1", "192.168.1.2"),
            ("0.0.0.0/0", "203.0.113.7", "2001:db8::1"),
            ("::/0", "2001:db8::1", "203.0.113.7"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::1", "::1", "::2"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::ffff:11.0.0.1"),
            ("::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.1"),
            (" 10.0.0.0/8 ", "10.0.0.1", "9.0.0.1"),
        ] {
            assert!(contain(&[network], inside), "{network} {inside}");
            assert!(!contain(&[network], outside), "{network} {outside}");
        }
        assert!(!contain(&[], "127.0.0.1"));
    }

    #[test]
    fn a_wrong_network_is_refused_with_what_to_write() {
        for text in
            ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0/8", "lb.example", "10.0.0.1:80"]
        {
            let error = Networks::parse(&[text]).unwrap_err();
            assert!(error.contains(&format!("`{text}`")) && error.contains("10.0.0.0/8"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_prefix_compares_as_a_mask_does(own: u32, other: u32, prefix in 0_u32..=32) {
            let network = format!("{}/{prefix}", Ipv4Addr::from_bits(own));
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            let found = contain(&[&network], &Ipv4Addr::from_bits(other).to_string());
            prop_assert_eq!(found, own & mask == other & mask);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,30}|[0-9a-f:./]{0,30}") {
            let _ = Networks::parse(&[text]);
        }
    }
}
