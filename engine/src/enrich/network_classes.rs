//! The class of a network: by what databases say of an address, and by a shipped list of autonomous systems.
//!
//! Invariant: the least harmless reading wins: whoever may come over Tor does.

use std::sync::LazyLock;

use nightjar_detectors::event::Network;
use serde::Deserialize;

const SHIPPED: &str = include_str!("network_classes.toml");

/// By number, ascending.
static SYSTEMS: LazyLock<Vec<(u32, Network)>> = LazyLock::new(|| {
    let shipped: Shipped = toml::from_str(SHIPPED)
        .unwrap_or_else(|error| unreachable!("the shipped list is checked by a test: {error}"));
    let of = |network: ShippedNetwork| (network.asn, network.class);
    let mut systems: Vec<_> = shipped.networks.into_iter().map(of).collect();
    systems.sort_unstable();
    systems
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shipped {
    networks: Vec<ShippedNetwork>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShippedNetwork {
    asn: u32,
    #[allow(dead_code)] // for whoever reads the list
    name: String,
    class: Network,
    #[allow(dead_code)]
    source: String,
}

/// The class of an autonomous system, where all of it has one.
pub fn class_of_system(asn: u32) -> Option<Network> {
    let index = SYSTEMS.binary_search_by_key(&asn, |(known, _)| *known);
    Some(SYSTEMS[index.ok()?].1)
}

/// A record of an anonymous-IP database.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct AnonymousRecord {
    is_anonymous: bool,
    is_anonymous_vpn: bool,
    is_hosting_provider: bool,
    is_public_proxy: bool,
    is_residential_proxy: bool,
    is_tor_exit_node: bool,
}

impl AnonymousRecord {
    /// What it makes of an address. A proxy at somebody's home is at that home: the place is right, the person may not be, so
    /// that nothing is lowered for it.
    pub fn class(&self) -> Option<Network> {
        if self.is_tor_exit_node {
            Some(Network::Tor)
        } else if self.is_residential_proxy {
            Some(Network::Residential)
        } else if self.is_anonymous_vpn || self.is_public_proxy {
            Some(Network::Vpn)
        } else if self.is_hosting_provider {
            Some(Network::Hosting)
        } else {
            self.is_anonymous.then_some(Network::Vpn)
        }
    }
}

/// What richer city databases say of an address besides its place.
#[derive(Deserialize, Default)]
pub struct Traits<'a> {
    user_type: Option<&'a str>,
    connection_type: Option<&'a str>,
}

impl Traits<'_> {
    /// What they make of an address.
    pub fn class(&self) -> Option<Network> {
        match self.connection_type {
            Some("Satellite") => Some(Network::Satellite),
            Some("Cellular") => Some(Network::Mobile),
            _ => self.class_of_users(),
        }
    }

    fn class_of_users(&self) -> Option<Network> {
        Some(match self.user_type? {
            "cellular" => Network::Mobile,
            "consumer_privacy_network" => Network::Relay,
            "content_delivery_network" | "hosting" => Network::Hosting,
            "dialup" | "residential" => Network::Residential,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list is in order, names no system twice, and each of its lines says who and where that can be checked.
    #[test]
    fn the_shipped_list_is_sound() {
        let shipped: Shipped = toml::from_str(SHIPPED).unwrap();
        assert!(15 < shipped.networks.len());
        for network in &shipped.networks {
            assert!(network.class.blurs_place(), "{}", network.name);
            assert!(!network.name.is_empty() && network.source.starts_with("https://"));
        }
        assert!(SYSTEMS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (asn, class) in [
            (14593, Some(Network::Satellite)),
            (53813, Some(Network::Sase)),
            (55256, Some(Network::Sase)),
            (36183, Some(Network::Relay)),
            (3320, None),
            (0, None),
        ] {
            assert_eq!(class_of_system(asn), class, "{asn}");
        }
    }

    #[test]
    fn the_least_harmless_reading_wins() {
        let everything = AnonymousRecord {
            is_anonymous: true,
            is_anonymous_vpn: true,
            is_hosting_provider: true,
            is_public_proxy: true,
            is_residential_proxy: true,
            is_tor_exit_node: true,
        };
        assert_eq!(everything.class(), Some(Network::Tor));
        let at_home = AnonymousRecord {
            is_tor_exit_node: false,
            ..everything
        };
        assert_eq!(at_home.class(), Some(Network::Residential));
        let vpn_on_a_server = AnonymousRecord {
            is_residential_proxy: false,
            ..at_home
        };
        assert_eq!(vpn_on_a_server.class(), Some(Network::Vpn));
        let hosting = AnonymousRecord {
            is_anonymous: true,
            is_hosting_provider: true,
            ..AnonymousRecord::default()
        };
        assert_eq!(hosting.class(), Some(Network::Hosting));
        assert_eq!(AnonymousRecord::default().class(), None);
    }

    #[test]
    fn users_and_links_have_classes() {
        let traits = |user_type, connection_type| Traits {
            user_type,
            connection_type,
        };
        let cases = [
            (
                traits(Some("residential"), None),
                Some(Network::Residential),
            ),
            (
                traits(Some("residential"), Some("Satellite")),
                Some(Network::Satellite),
            ),
            (
                traits(Some("residential"), Some("Cable/DSL")),
                Some(Network::Residential),
            ),
            (traits(None, Some("Cellular")), Some(Network::Mobile)),
            (
                traits(Some("consumer_privacy_network"), None),
                Some(Network::Relay),
            ),
            (traits(Some("business"), None), None),
            (traits(None, None), None),
        ];
        for (index, (traits, expected)) in cases.into_iter().enumerate() {
            assert_eq!(traits.class(), expected, "{index}");
        }
    }
}
