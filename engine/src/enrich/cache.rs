//! What was found for the addresses seen lately: one per thread, bounded.
//!
//! Invariant: the answer for an address is the same whether it was kept or looked up anew.

use std::hash::Hasher;
use std::net::IpAddr;

use nightjar_detectors::event::Network;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::geo::{Answer, Geo, Place};
use super::networks::{Networks, is_private_address};
use crate::config::number_of;

/// Enough for the addresses that a company uses in an hour; under 1 MiB a thread.
const SLOTS: usize = 4096;

/// Recent addresses.
#[derive(Debug, Default)]
pub struct EnrichCache {
    slots: Vec<Slot>,
}

#[derive(Debug, Clone, Default)]
struct Slot {
    ip: String,
    found: Found,
}

/// What is known about an address.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Inside somebody's own network.
    pub is_private: bool,
    /// From the city database.
    pub place: Option<Place>,
    /// From the database of autonomous systems.
    pub asn: Option<u32>,
    /// As configured.
    pub network: Option<Network>,
    /// As the databases have it.
    pub known_network: Option<Network>,
}

impl Found {
    /// Asks the databases. What is no address is nowhere.
    pub fn look_up(ip: &str, geo: &Geo, networks: &Networks) -> Found {
        let Ok(address) = ip.parse::<IpAddr>() else {
            return Found::default();
        };
        let network = networks.class_of(number_of(address));
        if is_private_address(address) {
            return Found {
                is_private: true,
                network,
                ..Found::default()
            };
        }
        let Answer {
            place,
            asn,
            network: known_network,
        } = geo.look_up(address);
        Found {
            is_private: false,
            place,
            asn,
            network,
            known_network,
        }
    }
}

impl EnrichCache {
    /// The answer kept for an address, else a new one in its slot.
    pub fn get(&mut self, ip: &str, look_up: impl FnOnce(&str) -> Found) -> &Found {
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, Slot::default());
        }
        let slot = &mut self.slots[xxh3_64(ip.as_bytes()) as usize % SLOTS];
        // An empty text is in no row, so an unused slot never answers.
        if slot.ip != ip {
            slot.ip.clear();
            slot.ip.push_str(ip);
            slot.found = look_up(ip);
        }
        &slot.found
    }
}

/// Hashes short texts fast. The tables hold what the user configured, so nobody can flood them.
#[derive(Debug, Default)]
pub struct TextHasher(u64);

impl Hasher for TextHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    // The byte that ends every text adds nothing here.
    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thousands of addresses more than there are slots: each still gets its own answer.
    #[test]
    fn a_full_cache_answers_right() {
        let mut cache = EnrichCache::default();
        for round in 0..3 {
            for number in 0..3 * SLOTS as u32 {
                let ip = format!("198.51.{}.{}", number / 256, number % 256);
                let look_up = |_: &str| Found {
                    asn: Some(number),
                    ..Found::default()
                };
                assert_eq!(cache.get(&ip, look_up).asn, Some(number), "{round}");
            }
        }
        assert_eq!(cache.slots.len(), SLOTS);
    }

    #[test]
    fn an_unused_slot_never_answers() {
        let mut cache = EnrichCache::default();
        let found = cache.get("", |_| Found {
            asn: Some(1),
            ..Found::default()
        });
        assert_eq!(found.asn, None);
    }
}
