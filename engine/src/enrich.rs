//! What the company and the databases know, laid over what the vendor said: canonical users, what they
//! are, places and networks.
//!
//! Invariant: a row's enrichment depends on the row and the files read at start alone. The dedup key
//! stays as the decoder took it.

mod ai_tools;
mod cache;
mod directory;
mod geo;
mod network_classes;
mod networks;

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use nightjar_detectors::directory::Directory;
use nightjar_detectors::event::{Draft, Kind, Network};

use crate::config::{Config, ConfigErrors, Hashes};

pub use ai_tools::{AiTools, Instance, Tool};
pub use cache::EnrichCache;
pub use directory::read_directory;
pub use geo::{Geo, Place};
pub use networks::{Networks, is_private};

use cache::{Found, TextHasher};

/// Everything that is read at start for enrichment.
#[derive(Debug)]
pub struct Enrichment {
    /// For every row.
    pub enricher: Enricher,
    /// For decoders: which host is which AI tool.
    pub tools: AiTools,
    /// For detectors.
    pub directory: Directory,
    /// For the fingerprint.
    pub hashes: Hashes,
}

impl Enrichment {
    /// Opens the files that the configuration names.
    ///
    /// # Errors
    /// With all that is wrong in all of them.
    pub fn open(config: &Config) -> Result<Enrichment, ConfigErrors> {
        let mut problems = Vec::new();
        let mut keep = |error: ConfigErrors| problems.extend(error.0);
        let (directory, directory_hash) = match &config.directory {
            Some(file) => read_directory(file, &config.place("directory.file"))
                .map(|(directory, hash)| (directory, Some(hash)))
                .unwrap_or_else(|error| {
                    keep(error);
                    Default::default()
                }),
            None => Default::default(),
        };
        let geo = Geo::open(config).unwrap_or_else(|error| {
            keep(error);
            Geo::default()
        });
        if !problems.is_empty() {
            return Err(ConfigErrors(problems));
        }
        let [city, asn, anonymous] = geo.hashes();
        let tools = Some(AiTools::shipped_hash());
        let hashes = Hashes {
            directory: directory_hash,
            city,
            asn,
            anonymous,
            tools,
        };
        let networks = Networks::new(&config.networks);
        let enricher = Enricher::new(&directory, geo, networks);
        Ok(Enrichment {
            enricher,
            tools: AiTools::new(&config.tools),
            directory,
            hashes,
        })
    }
}

/// Enriches rows; shared by all threads.
#[derive(Debug, Default)]
pub struct Enricher {
    people: Vec<Known>,
    names: HashMap<Box<str>, u32, BuildHasherDefault<TextHasher>>,
    geo: Geo,
    networks: Networks,
    has_addresses: bool,
}

/// What a row about somebody takes from the directory.
#[derive(Debug)]
struct Known {
    name: Box<str>,
    kind: Option<Kind>,
    is_admin: bool,
}

impl Enricher {
    /// Prepares the look-ups.
    pub fn new(directory: &Directory, geo: Geo, networks: Networks) -> Self {
        let mut people = Vec::new();
        let mut names = HashMap::default();
        for (name, person) in &directory.people {
            names.insert(name.as_str().into(), people.len() as u32);
            let kind = person.kind.filter(|kind| *kind != Kind::Unknown);
            people.push(Known {
                name: name.as_str().into(),
                kind,
                is_admin: person.admin,
            });
        }
        for (alias, name) in &directory.aliases {
            let Some(index) = names.get(name.as_str()).copied() else {
                continue;
            };
            names.entry(alias.as_str().into()).or_insert(index);
        }
        let has_addresses = !geo.is_empty() || !networks.is_empty();
        Enricher {
            people,
            names,
            geo,
            networks,
            has_addresses,
        }
    }

    /// Lays over a row what is known. Allocates only for addresses that `cache` has not seen lately.
    pub fn enrich<'r>(&'r self, row: &mut Draft<'r>, cache: &'r mut EnrichCache) {
        if !self.people.is_empty() {
            self.add_people(row);
        }
        let Some(ip) = row.ip else {
            return add_network(row, None, None);
        };
        if self.has_addresses {
            let found = cache.get(ip, |ip| Found::look_up(ip, &self.geo, &self.networks));
            add_address(row, found);
            return add_network(row, found.network, found.known_network);
        }
        if has_place(row) && is_private(ip) {
            forget_place(row);
        }
        add_network(row, None, None);
    }

    fn add_people<'r>(&'r self, row: &mut Draft<'r>) {
        if let Some(known) = row.user.and_then(|user| self.known(user)) {
            row.user = Some(&known.name);
            row.kind = known.kind.or(row.kind);
            if known.is_admin {
                row.is_admin = Some(true);
            }
        }
        if let Some(known) = row.target_user.and_then(|user| self.known(user)) {
            row.target_user = Some(&known.name);
        }
    }

    fn known(&self, user: &str) -> Option<&Known> {
        self.names
            .get(user)
            .map(|index| &self.people[*index as usize])
    }
}

/// The class of the network: as configured, else as the record has it where that is sure, else by system, else as a database has
/// it, else as the record has it.
fn add_network(row: &mut Draft<'_>, configured: Option<Network>, known: Option<Network>) {
    if configured.is_some() {
        row.network = configured;
        return;
    }
    if let Some(Network::Corporate | Network::Tor) = row.network {
        return;
    }
    // An exit of Tor may stand in any network.
    if known == Some(Network::Tor) {
        row.network = known;
        return;
    }
    let by_system = row.asn.and_then(network_classes::class_of_system);
    row.network = by_system.or(known).or(row.network);
}

fn add_address<'r>(row: &mut Draft<'r>, found: &'r Found) {
    if found.is_private {
        forget_place(row);
        return;
    }
    // All of it or nothing: half a place of each would be a place that neither means.
    if let Some(place) = &found.place {
        row.country = place.country.as_deref();
        row.region = place.region.as_deref();
        row.city = place.city.as_deref();
        row.lat = place.position.map(|(lat, _)| lat);
        row.lon = place.position.map(|(_, lon)| lon);
        row.radius_km = place.radius_km;
    }
    row.asn = found.asn.or(row.asn);
}

fn has_place(row: &Draft<'_>) -> bool {
    row.country.is_some()
        || row.lat.is_some()
        || row.region.is_some()
        || row.city.is_some()
        || row.asn.is_some()
}

fn forget_place(row: &mut Draft<'_>) {
    row.country = None;
    row.region = None;
    row.city = None;
    row.lat = None;
    row.lon = None;
    row.radius_km = None;
    row.asn = None;
}

#[cfg(test)]
mod tests {
    use super::*;
    use nightjar_detectors::directory::Person;
    use nightjar_detectors::event::Network;

    fn directory() -> Directory {
        let mut directory = Directory::default();
        let ana = Person {
            kind: Some(Kind::Person),
            admin: true,
            ..Person::default()
        };
        directory.people.insert("ana@example.com".into(), ana);
        let robot = Person {
            kind: Some(Kind::Service),
            ..Person::default()
        };
        directory.people.insert("robot".into(), robot);
        directory
            .aliases
            .insert("ana.old@example.com".into(), "ana@example.com".into());
        directory
    }

    fn networks() -> Networks {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nightjar.toml");
        let text = "[[networks]]\ncidr = \"203.0.113.0/24\"\n[[networks]]\ncidr = \"10.0.0.0/8\"";
        std::fs::write(&file, text).unwrap();
        let config = Config::load(Some(&file), std::iter::empty()).unwrap();
        Networks::new(&config.networks)
    }

    fn placed<'a>(user: &'a str, ip: &'a str) -> Draft<'a> {
        Draft {
            user: Some(user),
            ip: Some(ip),
            country: Some("DE"),
            city: Some("Berlin"),
            lat: Some(52.5),
            lon: Some(13.4),
            asn: Some(3320),
            kind: Some(Kind::Unknown),
            key: 7,
            ..Draft::default()
        }
    }

    #[test]
    fn aliases_become_the_user_and_the_directory_knows_best() {
        let enricher = Enricher::new(&directory(), Geo::default(), Networks::default());
        let mut cache = EnrichCache::default();
        let mut row = placed("ana.old@example.com", "198.51.100.7");
        row.target_user = Some("robot");
        enricher.enrich(&mut row, &mut cache);
        assert_eq!(row.user, Some("ana@example.com"));
        assert_eq!(row.target_user, Some("robot"));
        assert_eq!(row.kind, Some(Kind::Person));
        assert_eq!(row.is_admin, Some(true));
        assert_eq!(row.key, 7);

        let mut cache = EnrichCache::default();
        let mut row = placed("stranger", "198.51.100.7");
        row.is_admin = Some(false);
        enricher.enrich(&mut row, &mut cache);
        assert_eq!(
            (row.user, row.kind),
            (Some("stranger"), Some(Kind::Unknown))
        );
        assert_eq!((row.is_admin, row.country), (Some(false), Some("DE")));
    }

    /// An address inside somebody's house says nothing about where the house is.
    #[test]
    fn private_addresses_have_no_place() {
        for networks in [Networks::default(), networks()] {
            let enricher = Enricher::new(&Directory::default(), Geo::default(), networks);
            for (ip, expected) in [
                ("10.1.2.3", None),
                ("::1", None),
                ("198.51.100.7", Some("DE")),
            ] {
                let mut cache = EnrichCache::default();
                let mut row = placed("ana@example.com", ip);
                enricher.enrich(&mut row, &mut cache);
                assert_eq!(row.country, expected, "{ip}");
                assert_eq!(row.lat.is_some(), expected.is_some(), "{ip}");
                assert_eq!(row.asn.is_some(), expected.is_some(), "{ip}");
            }
        }
    }

    #[test]
    fn configured_networks_have_their_class() {
        let enricher = Enricher::new(&Directory::default(), Geo::default(), networks());
        let mut cache = EnrichCache::default();
        let cases = [
            ("203.0.113.9", Some(Network::Corporate)),
            ("10.1.2.3", Some(Network::Corporate)),
            ("198.51.100.7", Some(Network::Vpn)),
            ("nonsense", Some(Network::Vpn)),
        ];
        for _ in 0..2 {
            for (ip, expected) in cases {
                let mut row = placed("ana@example.com", ip);
                row.network = Some(Network::Vpn);
                enricher.enrich(&mut row, &mut cache);
                assert_eq!(row.network, expected, "{ip}");
            }
        }
    }

    /// The configuration decides about a network, then Tor, then the shipped list of systems, then the record.
    #[test]
    fn networks_have_the_class_that_is_surest() {
        let cases = [
            ("198.51.100.7", Some(14593), None, Some(Network::Satellite)),
            (
                "198.51.100.7",
                Some(53813),
                Some(Network::Vpn),
                Some(Network::Sase),
            ),
            (
                "198.51.100.7",
                Some(36183),
                Some(Network::Tor),
                Some(Network::Tor),
            ),
            (
                "198.51.100.7",
                Some(36183),
                Some(Network::Corporate),
                Some(Network::Corporate),
            ),
            ("203.0.113.9", Some(36183), None, Some(Network::Corporate)),
            (
                "198.51.100.7",
                Some(3320),
                Some(Network::Vpn),
                Some(Network::Vpn),
            ),
            ("198.51.100.7", None, None, None),
        ];
        for (ip, asn, said, expected) in cases {
            let enricher = Enricher::new(&Directory::default(), Geo::default(), networks());
            let mut cache = EnrichCache::default();
            let mut row = placed("ana@example.com", ip);
            (row.asn, row.network) = (asn, said);
            enricher.enrich(&mut row, &mut cache);
            assert_eq!(row.network, expected, "{ip} {asn:?}");
        }
        // Neither a database nor an address is needed for it.
        let mut row = placed("ana@example.com", "198.51.100.7");
        (row.ip, row.asn) = (None, Some(14593));
        let (enricher, mut cache) = (Enricher::default(), EnrichCache::default());
        enricher.enrich(&mut row, &mut cache);
        assert_eq!(row.network, Some(Network::Satellite));
    }

    /// One geo database for all sources: it wins where it knows the address, else the vendor's word
    /// stands.
    #[test]
    fn the_city_database_wins() {
        let Some(folder) = std::env::var_os("NIGHTJAR_DATA") else {
            println!("skipped: NIGHTJAR_DATA is not set");
            return;
        };
        let folder = std::path::Path::new(&folder).join("maxmind_test");
        let mut config = Config::defaults();
        config.geo.city = Some(folder.join("GeoIP2-City-Test.mmdb"));
        config.geo.asn = Some(folder.join("GeoLite2-ASN-Test.mmdb"));
        let enrichment = Enrichment::open(&config).unwrap();
        assert!(enrichment.hashes.city.is_some() && enrichment.hashes.asn.is_some());

        let mut cache = EnrichCache::default();
        let mut row = placed("ana@example.com", "2.125.160.216");
        enrichment.enricher.enrich(&mut row, &mut cache);
        let place = (row.country, row.region, row.city, row.radius_km);
        assert_eq!(
            place,
            (Some("GB"), Some("England"), Some("Boxford"), Some(100.0))
        );
        assert_eq!(row.lat.zip(row.lon), Some((51.75, -1.25)));
        assert_eq!(row.asn, Some(3320));

        // This network lies in the second database only.
        let mut cache = EnrichCache::default();
        let mut row = placed("ana@example.com", "1.128.0.1");
        enrichment.enricher.enrich(&mut row, &mut cache);
        assert_eq!((row.city, row.asn), (Some("Berlin"), Some(1221)));
    }
}
