//! Networks of addresses.
//!
//! Invariant: the first address has no bit beyond the prefix, so equal networks are equal values.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// A network as a range of IPv6 addresses; IPv4 is mapped into `::ffff:0:0/96`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    first: u128,
    prefix: u8,
}

/// Bits before the IPv4 address in its mapped form.
const MAPPED_BITS: u8 = 96;

/// The number of an address, IPv4 mapped into IPv6.
pub fn number_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl Cidr {
    /// Reads `203.0.113.0/24`, `2001:db8::/32` or a single address. Bits beyond the prefix are
    /// dropped.
    pub fn parse(text: &str) -> Option<Cidr> {
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.trim().parse::<u8>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().ok()?;
        let (offset, most) = if address.is_ipv4() {
            (MAPPED_BITS, 32)
        } else {
            (0, 128)
        };
        let prefix = prefix.unwrap_or(most);
        if most < prefix {
            return None;
        }
        let prefix = prefix + offset;
        Some(Cidr {
            first: number_of(address) & mask(prefix),
            prefix,
        })
    }

    /// First address as a number.
    pub fn first(self) -> u128 {
        self.first
    }

    /// Last address as a number.
    pub fn last(self) -> u128 {
        self.first | !mask(self.prefix)
    }

    /// Length of the prefix in the mapped form, 0 to 128.
    pub fn prefix(self) -> u8 {
        self.prefix
    }
}

fn mask(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)
}

impl fmt::Display for Cidr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Ipv6Addr::from_bits(self.first);
        match address.to_ipv4_mapped() {
            Some(address) if MAPPED_BITS <= self.prefix => {
                write!(out, "{address}/{}", self.prefix - MAPPED_BITS)
            }
            _ => write!(out, "{address}/{}", self.prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_canonical() {
        let cases = [
            ("203.0.113.77/24", Some("203.0.113.0/24")),
            ("203.0.113.77", Some("203.0.113.77/32")),
            ("0.0.0.0/0", Some("0.0.0.0/0")),
            ("2001:DB8::1/32", Some("2001:db8::/32")),
            ("::/0", Some("::/0")),
            ("203.0.113.0/33", None),
            ("::/129", None),
            ("203.0.113/24", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let shown = Cidr::parse(text).map(|cidr| cidr.to_string());
            assert_eq!(shown.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_network_ends_where_its_prefix_says() {
        let cidr = Cidr::parse("10.0.0.0/8").unwrap();
        assert_eq!(cidr.last(), number_of("10.255.255.255".parse().unwrap()));
        assert_eq!(Cidr::parse("::/0").unwrap().last(), u128::MAX);
    }
}
