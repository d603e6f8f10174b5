//! Configured networks by address, and which addresses are nobody's place.
//!
//! Invariant: the longest prefix decides, whatever the order of the rules.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nightjar_detectors::event::Network;

use crate::config::NetworkRule;

/// The class of every address, as ascending ranges without gaps or overlaps.
#[derive(Debug, Clone, Default)]
pub struct Networks {
    starts: Vec<u128>,
    classes: Vec<Option<Network>>,
}

impl Networks {
    /// Cuts nested networks into ranges.
    pub fn new(rules: &[NetworkRule]) -> Self {
        let mut rules: Vec<&NetworkRule> = rules.iter().collect();
        rules.sort_by_key(|rule| (rule.cidr.first(), rule.cidr.prefix()));
        let mut networks = Networks::default();
        // Networks nest or are apart: a stack holds those around the present address.
        let mut around: Vec<&NetworkRule> = Vec::new();
        for rule in rules {
            while let Some(inner) = around.pop_if(|inner| inner.cidr.last() < rule.cidr.first()) {
                networks.leave(inner, around.last().copied());
            }
            networks.add(rule.cidr.first(), Some(rule.class));
            around.push(rule);
        }
        while let Some(inner) = around.pop() {
            networks.leave(inner, around.last().copied());
        }
        networks
    }

    /// Whether nothing is configured.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The class of an address as a number, IPv4 mapped into IPv6.
    pub fn class_of(&self, address: u128) -> Option<Network> {
        let index = self.starts.partition_point(|start| *start <= address);
        self.classes.get(index.checked_sub(1)?).copied().flatten()
    }

    fn leave(&mut self, inner: &NetworkRule, outer: Option<&NetworkRule>) {
        if let Some(next) = inner.cidr.last().checked_add(1) {
            self.add(next, outer.map(|rule| rule.class));
        }
    }

    fn add(&mut self, start: u128, class: Option<Network>) {
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.classes.pop();
        }
        self.starts.push(start);
        self.classes.push(class);
    }
}

/// Whether the text of an address is one of a private network; false for what is no address.
pub fn is_private(ip: &str) -> bool {
    // Nearly all addresses are public, and their first characters say so without parsing.
    let may_be = [
        "10.", "127", "172.", "192.168.", "169.254.", "100.", "0.", "::", "f", "F",
    ];
    may_be.iter().any(|start| ip.starts_with(start)) && ip.parse().is_ok_and(is_private_address)
}

/// Addresses that many networks use inside, so that they say nothing about a place: private, shared
/// (carrier NAT), loopback, link-local and unspecified ones.
pub fn is_private_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => is_private_v6(address),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let is_shared = first == 100 && (64..128).contains(&second);
    first == 0
        || is_shared
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    if let Some(address) = address.to_ipv4_mapped() {
        return is_private_v4(address);
    }
    address.is_unspecified()
        || address.is_loopback()
        || address.is_unique_local()
        || address.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Cidr, number_of};
    use proptest::prelude::*;

    fn rule(cidr: &str, class: Network) -> NetworkRule {
        NetworkRule {
            cidr: Cidr::parse(cidr).unwrap(),
            name: String::new(),
            class,
        }
    }

    #[test]
    fn the_longest_prefix_wins() {
        let rules = [
            rule("203.0.113.128/25", Network::Vpn),
            rule("203.0.113.255", Network::Hosting),
            rule("203.0.113.0/24", Network::Corporate),
            rule("203.0.114.0/24", Network::Mobile),
            rule("2001:db8::/32", Network::Residential),
        ];
        let networks = Networks::new(&rules);
        let cases = [
            ("203.0.112.255", None),
            ("203.0.113.0", Some(Network::Corporate)),
            ("203.0.113.127", Some(Network::Corporate)),
            ("203.0.113.128", Some(Network::Vpn)),
            ("203.0.113.254", Some(Network::Vpn)),
            ("203.0.113.255", Some(Network::Hosting)),
            ("203.0.114.0", Some(Network::Mobile)),
            ("203.0.115.0", None),
            ("2001:db8:ffff::1", Some(Network::Residential)),
            ("2001:db9::", None),
            ("::ffff:203.0.113.1", Some(Network::Corporate)),
        ];
        for (ip, expected) in cases {
            let address = ip.parse::<IpAddr>().unwrap();
            assert_eq!(networks.class_of(number_of(address)), expected, "{ip}");
        }
    }

    proptest! {
        /// The ranges say what a search of all rules says.
        #[test]
        fn ranges_agree_with_a_search(
            rules in prop::collection::vec((any::<u8>(), 0u8..=8, 0usize..6), 0..12),
            probe in any::<u8>(),
        ) {
            let rules: Vec<NetworkRule> = rules
                .iter()
                .map(|(octet, prefix, class)| {
                    rule(&format!("{octet}.0.0.0/{prefix}"), Network::ALL[*class])
                })
                .collect();
            // Two rules for one network are refused by the configuration.
            let mut seen = std::collections::BTreeSet::new();
            let rules: Vec<NetworkRule> =
                rules.into_iter().filter(|rule| seen.insert(rule.cidr)).collect();
            let address = number_of(IpAddr::from([probe, 1, 2, 3]));
            let holds = |rule: &&NetworkRule| {
                (rule.cidr.first()..=rule.cidr.last()).contains(&address)
            };
            let best = rules.iter().filter(holds).max_by_key(|rule| rule.cidr.prefix());
            let expected = best.map(|rule| rule.class);
            prop_assert_eq!(Networks::new(&rules).class_of(address), expected);
        }
    }

    #[test]
    fn inside_addresses_are_known() {
        for ip in [
            "10.0.0.1",
            "127.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "::",
            "::1",
            "fe80::1",
            "fd00::1",
            "fc00::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_private(ip), "{ip}");
        }
        for ip in [
            "1.1.1.1",
            "172.32.0.1",
            "172.15.0.1",
            "192.167.0.1",
            "100.128.0.1",
            "100.63.0.1",
            "2001:db8::1",
            "::ffff:8.8.8.8",
            "10.example.com",
            "fe",
            "",
        ] {
            assert!(!is_private(ip), "{ip}");
        }
    }
}
