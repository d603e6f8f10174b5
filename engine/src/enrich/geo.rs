//! Places and autonomous systems of addresses, from databases in MaxMind's format.
//!
//! Invariant: a damaged database is refused at start or gives unknown places, and never a panic.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use maxminddb::{MaxMindDbError, Reader};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

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
    /// With everything that is wrong with either.
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
        if problems.is_empty() {
            Ok(Geo { city, asn })
        } else {
            Err(ConfigErrors(problems))
        }
    }

    /// Whether no database is configured.
    pub fn is_empty(&self) -> bool {
        self.city.is_none() && self.asn.is_none()
    }

    /// Content hashes of the city database and of that of autonomous systems.
    pub fn hashes(&self) -> (Option<blake3::Hash>, Option<blake3::Hash>) {
        let hash = |database: &Option<Database>| database.as_ref().map(|database| database.hash);
        (hash(&self.city), hash(&self.asn))
    }

    /// Place and autonomous system of an address, as far as the databases know them.
    pub fn look_up(&self, address: IpAddr) -> (Option<Place>, Option<u32>) {
        let place = self
            .city
            .as_ref()
            .and_then(|city| place(&city.reader, address));
        let asn = self
            .asn
            .as_ref()
            .and_then(|asn| system(&asn.reader, address));
        (place, asn)
    }
}

// A record that cannot be decoded is an unknown place: the next one may be sound.
fn place(reader: &Reader<Vec<u8>>, address: IpAddr) -> Option<Place> {
    let record: CityRecord<'_> = reader.lookup(address).ok()?.decode().ok()??;
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
    (place != Place::default()).then_some(place)
}

fn system(reader: &Reader<Vec<u8>>, address: IpAddr) -> Option<u32> {
    let record: AsnRecord = reader.lookup(address).ok()?.decode().ok()??;
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
        config.geo = crate::config::Geo { city, asn };
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
            let place = geo.look_up(ip).0.unwrap_or_default();
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
        assert_eq!(geo.look_up(public), (None, None));
    }

    #[test]
    fn every_known_system_is_found() {
        let Some(folder) = data() else { return };
        let geo = Geo::open(&config(None, Some(folder.join("GeoLite2-ASN-Test.mmdb")))).unwrap();
        for (ip, record) in expected(folder.join("GeoLite2-ASN-Test.json")) {
            let number = record["autonomous_system_number"]
                .as_u64()
                .map(|number| number as u32);
            assert_eq!(geo.look_up(ip).1, number, "{ip}");
        }
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
