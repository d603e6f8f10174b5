//! Places, autonomous systems and classes of addresses, from databases in MaxMind's format.
//!
//! Invariant: a damaged database is refused at start or gives unknown places, and never a panic.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use maxminddb::{MaxMindDbError, Reader};
use nightjar_detectors::event::Network;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

use super::network_classes::{AnonymousRecord, Traits};
use crate::config::{Config, ConfigErrors, Place as Setting, Problem};

/// Databases up to this size are read through at start; that takes a second. Larger ones are probed.
const VERIFY_BYTES_MAX: usize = 16 << 20;

/// Addresses tried in a larger database, evenly over IPv4.
const PROBES: u32 = 4096;

/// The open databases.
#[derive(Debug, Default)]
pub struct Geo {
    city: Option<Database>,
    asn: Option<Database>,
    anonymous: Option<Database>,
}

/// What the databases know of an address.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// Where it is.
    pub place: Option<Place>,
    /// Its autonomous system.
    pub asn: Option<u32>,
    /// What its network is.
    pub network: Option<Network>,
}

#[derive(Debug)]
struct Database {
    reader: Reader<Vec<u8>>,
    hash: blake3::Hash,
}

/// Where an address is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Place {
    /// ISO 3166-1 alpha-2.
    pub country: Option<Box<str>>,
    /// The largest subdivision, in English.
    pub region: Option<Box<str>>,
    /// In English.
    pub city: Option<Box<str>>,
    /// Latitude and longitude.
    pub position: Option<(f64, f64)>,
    /// Accuracy.
    pub radius_km: Option<f64>,
}

#[derive(Deserialize)]
struct CityRecord<'a> {
    #[serde(borrow, default)]
    city: Named<'a>,
    #[serde(default)]
    country: Named<'a>,
    #[serde(default)]
    subdivisions: Vec<Named<'a>>,
    #[serde(default)]
    location: Location,
    #[serde(borrow, default)]
    traits: Traits<'a>,
}

#[derive(Deserialize, Default)]
struct Named<'a> {
    #[serde(borrow, default)]
    names: Names<'a>,
    iso_code: Option<&'a str>,
}

#[derive(Deserialize, Default)]
struct Names<'a> {
    en: Option<&'a str>,
}

#[derive(Deserialize, Default)]
struct Location {
    #[serde(default)]
    latitude: Number,
    #[serde(default)]
    longitude: Number,
    #[serde(default)]
    accuracy_radius: Number,
}

#[derive(Deserialize)]
struct AsnRecord {
    #[serde(default)]
    autonomous_system_number: Number,
}

/// A number of any width: makers of databases differ in it.
#[derive(Default, Clone, Copy)]
struct Number(Option<f64>);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Number::default())
    }
}

impl Visitor<'_> for Number {
    type Value = Number;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a number")
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Number, E> {
        Ok(Number(Some(number as f64)))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Number, E> {
        Ok(Number(Some(number as f64)))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Number, E> {
        Ok(Number(number.is_finite().then_some(number)))
    }
}

impl Geo {
    /// Opens the configured databases.
    ///
    /// # Errors
    /// With everything that is wrong with any of them.
    pub fn open(config: &Config) -> Result<Geo, ConfigErrors> {
        let mut problems = Vec::new();
        let mut open = |file: &Option<_>, setting: &str, kinds: &[&str], probe: Probe| {
            let file: &std::path::PathBuf = file.as_ref()?;
            Database::open(file, &config.place(setting), kinds, probe)
                .map_err(|problem| problems.push(problem))
                .ok()
        };
        let city_kinds = ["City", "Enterprise", "Country"];
        let city = open(&config.geo.city, "geo.city", &city_kinds, |reader, ip| {
            reader.lookup(ip)?.decode::<CityRecord<'_>>().map(|_| ())
        });
        let asn = open(&config.geo.asn, "geo.asn", &["ASN", "ISP"], |reader, ip| {
            reader.lookup(ip)?.decode::<AsnRecord>().map(|_| ())
        });
        let anonymous = open(
            &config.geo.anonymous,
            "geo.anonymous",
            &["Anonymous"],
            |reader, ip| reader.lookup(ip)?.decode::<AnonymousRecord>().map(|_| ()),
        );
        if problems.is_empty() {
            Ok(Geo {
                city,
                asn,
                anonymous,
            })
        } else {
            Err(ConfigErrors(problems))
        }
    }

    /// Whether no database is configured.
    pub fn is_empty(&self) -> bool {
        self.city.is_none() && self.asn.is_none() && self.anonymous.is_none()
    }

    /// Content hashes of the databases of cities, of autonomous systems and of anonymous addresses.
    pub fn hashes(&self) -> [Option<blake3::Hash>; 3] {
        [&self.city, &self.asn, &self.anonymous]
            .map(|database| database.as_ref().map(|database| database.hash))
    }

    /// What the databases know of an address.
    pub fn look_up(&self, address: IpAddr) -> Answer {
        let (place, by_users) = match &self.city {
            Some(city) => place(&city.reader, address),
            None => (None, None),
        };
        let network = self.anonymous.as_ref();
        let network = network.and_then(|database| anonymous(&database.reader, address));
        Answer {
            place,
            asn: self
                .asn
                .as_ref()
                .and_then(|asn| system(&asn.reader, address)),
            network: network.or(by_users),
        }
    }
}

// A record that cannot be decoded is an unknown place: the next one may be sound.
fn place(reader: &Reader<Vec<u8>>, address: IpAddr) -> (Option<Place>, Option<Network>) {
    let Some(record) = decoded::<CityRecord<'_>>(reader, address) else {
        return (None, None);
    };
    let location = &record.location;
    let is_position = |(lat, lon): &(f64, f64)| lat.abs() <= 90.0 && lon.abs() <= 180.0;
    let place = Place {
        country: record.country.iso_code.map(Box::from),
        region: record
            .subdivisions
            .first()
            .and_then(Named::name)
            .map(Box::from),
        city: record.city.name().map(Box::from),
        position: location
            .latitude
            .0
            .zip(location.longitude.0)
            .filter(is_position),
        radius_km: location.accuracy_radius.0,
    };
    let place = (place != Place::default()).then_some(place);
    (place, record.traits.class())
}

fn decoded<'r, T: Deserialize<'r>>(reader: &'r Reader<Vec<u8>>, address: IpAddr) -> Option<T> {
    reader.lookup(address).ok()?.decode().ok()?
}

fn anonymous(reader: &Reader<Vec<u8>>, address: IpAddr) -> Option<Network> {
    decoded::<AnonymousRecord>(reader, address)?.class()
}

fn system(reader: &Reader<Vec<u8>>, address: IpAddr) -> Option<u32> {
    let record: AsnRecord = decoded(reader, address)?;
    let number = record.autonomous_system_number.0?;
    (1.0..=f64::from(u32::MAX))
        .contains(&number)
        .then_some(number as u32)
}

impl<'a> Named<'a> {
    fn name(&self) -> Option<&'a str> {
        self.names.en.or(self.iso_code)
    }
}

type Probe = fn(&Reader<Vec<u8>>, IpAddr) -> Result<(), MaxMindDbError>;

impl Database {
    fn open(
        file: &Path,
        setting: &Setting,
        kinds: &[&str],
        probe: Probe,
    ) -> Result<Database, Problem> {
        let bytes = std::fs::read(file)
            .map_err(|error| Problem::unreadable(setting.clone(), file, &error))?;
        let hash = blake3::hash(&bytes);
        let size = bytes.len();
        let damaged = |error: MaxMindDbError| {
            let what = format!(
                "{} is not a sound MaxMind database: {error}",
                file.display()
            );
            Problem::new(
                setting.clone(),
                what,
                "download it again, or remove the setting",
            )
        };
        let reader = Reader::from_source(bytes).map_err(damaged)?;
        let kind = &reader.metadata().database_type;
        if !kinds.iter().any(|known| kind.contains(known)) {
            let what = format!("{} is a database of the type `{kind}`", file.display());
            let advice = format!("name one whose type holds {}", kinds.join(" or "));
            return Err(Problem::new(setting.clone(), what, advice));
        }
        if size <= VERIFY_BYTES_MAX {
            reader.verify().map_err(damaged)?;
        }
        for number in 0..PROBES {
            let address = Ipv4Addr::from_bits(number * (u32::MAX / PROBES));
            probe(&reader, address.into()).map_err(damaged)?;
        }
        Ok(Database { reader, hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn data() -> Option<PathBuf> {
        let Some(folder) = std::env::var_os("NIGHTJAR_DATA") else {
            println!("skipped: NIGHTJAR_DATA is not set");
            return None;
        };
        Some(PathBuf::from(folder).join("maxmind_test"))
    }

    fn config(city: Option<PathBuf>, asn: Option<PathBuf>) -> Config {
        let mut config = Config::defaults();
        config.geo = crate::config::Geo {
            city,
            asn,
            anonymous: None,
        };
        config
    }

    fn expected(file: PathBuf) -> Vec<(IpAddr, serde_json::Value)> {
        let text = std::fs::read_to_string(file).unwrap();
        let records: Vec<serde_json::Map<String, serde_json::Value>> =
            serde_json::from_str(&text).unwrap();
        let address = |network: &str| network.split('/').next().unwrap().parse().unwrap();
        records
            .into_iter()
            .flatten()
            .map(|(network, record)| (address(&network), record))
            .collect()
    }

    #[test]
    fn every_known_place_is_found() {
        let Some(folder) = data() else { return };
        let geo = Geo::open(&config(Some(folder.join("GeoIP2-City-Test.mmdb")), None)).unwrap();
        let mut places = 0;
        for (ip, record) in expected(folder.join("GeoIP2-City-Test.json")) {
            let place = geo.look_up(ip).place.unwrap_or_default();
            assert_eq!(
                place.country.as_deref(),
                record["country"]["iso_code"].as_str(),
                "{ip}"
            );
            assert_eq!(
                place.city.as_deref(),
                record["city"]["names"]["en"].as_str(),
                "{ip}"
            );
            let region = record["subdivisions"][0]["names"]["en"].as_str();
            assert_eq!(place.region.as_deref(), region, "{ip}");
            let location = &record["location"];
            assert_eq!(
                place.position.map(|p| p.0),
                location["latitude"].as_f64(),
                "{ip}"
            );
            assert_eq!(
                place.position.map(|p| p.1),
                location["longitude"].as_f64(),
                "{ip}"
            );
            assert_eq!(
                place.radius_km,
                location["accuracy_radius"].as_f64(),
                "{ip}"
            );
            places += usize::from(place.position.is_some());
        }
        assert!(200 < places, "{places}");
        let public = "198.51.100.7".parse().unwrap();
        assert_eq!(geo.look_up(public), Answer::default());
    }

    #[test]
    fn every_known_system_is_found() {
        let Some(folder) = data() else { return };
        let geo = Geo::open(&config(None, Some(folder.join("GeoLite2-ASN-Test.mmdb")))).unwrap();
        for (ip, record) in expected(folder.join("GeoLite2-ASN-Test.json")) {
            let number = record["autonomous_system_number"]
                .as_u64()
                .map(|number| number as u32);
            assert_eq!(geo.look_up(ip).asn, number, "{ip}");
        }
    }

    /// Every flag of the anonymous-IP databases makes a class, Tor before all others.
    #[test]
    fn anonymous_addresses_have_a_class() {
        let Some(folder) = data() else { return };
        for name in ["GeoIP2-Anonymous-IP-Test", "GeoIP-Anonymous-Plus-Test"] {
            let mut config = config(None, None);
            config.geo.anonymous = Some(folder.join(format!("{name}.mmdb")));
            let geo = Geo::open(&config).unwrap();
            assert!(!geo.is_empty());
            let class = |ip: &str| geo.look_up(ip.parse().unwrap()).network;
            assert_eq!(class("198.51.100.7"), None, "{name}");
            if name.contains("Plus") {
                continue;
            }
            for (ip, expected) in [
                ("1.2.0.1", Network::Vpn),
                ("1.124.213.1", Network::Tor),
                ("81.2.69.160", Network::Tor),
                ("71.160.223.5", Network::Hosting),
                ("186.30.236.1", Network::Vpn),
                ("6.1.0.4", Network::Residential),
                ("abcd:1000::1", Network::Vpn),
            ] {
                assert_eq!(class(ip), Some(expected), "{ip}");
            }
        }
        let mut config = config(None, None);
        config.geo.anonymous = Some(folder.join("GeoLite2-ASN-Test.mmdb"));
        let refused = Geo::open(&config).unwrap_err().to_string();
        assert!(refused.contains("holds Anonymous"), "{refused}");
    }

    /// A damaged or mistaken file is one clear problem at start.
    #[test]
    fn what_is_no_database_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("city.mmdb");
        let open = |file: &Path| {
            Geo::open(&config(Some(file.to_owned()), None))
                .unwrap_err()
                .to_string()
        };
        assert!(
            open(&file).contains("city.mmdb: No such file"),
            "{}",
            open(&file)
        );
        for bytes in [&b""[..], b"not a database", &[0xff; 5000]] {
            std::fs::write(&file, bytes).unwrap();
            assert!(
                open(&file).contains("is not a sound MaxMind database"),
                "{}",
                open(&file)
            );
        }
        let Some(data) = data() else { return };
        for name in ["Broken-Double-Format", "Invalid-Node-Count"] {
            let text = open(&data.join(format!("GeoIP2-City-Test-{name}.mmdb")));
            assert!(text.contains("is not a sound MaxMind database"), "{text}");
        }
        let text = open(&data.join("GeoLite2-ASN-Test.mmdb"));
        assert!(
            text.contains("is a database of the type `GeoLite2-ASN`; name one"),
            "{text}"
        );
    }

    /// Whatever byte of a database is wrong, an address at worst has no place.
    #[test]
    fn damage_never_panics() {
        let Some(folder) = data() else { return };
        let sound = std::fs::read(folder.join("GeoIP2-City-Test.mmdb")).unwrap();
        let ips: Vec<IpAddr> = expected(folder.join("GeoIP2-City-Test.json"))
            .into_iter()
            .map(|(ip, _)| ip)
            .collect();
        let mut state = 1u64;
        for _ in 0..300 {
            let mut bytes = sound.clone();
            for _ in 0..20 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let at = (state >> 33) as usize % bytes.len();
                bytes[at] ^= 1 << (state >> 61);
            }
            let Ok(reader) = Reader::from_source(bytes) else {
                continue;
            };
            for ip in &ips {
                let _ = place(&reader, *ip);
            }
        }
    }
}
