//! Where the company's people are, and where thieves are.
//!
//! Invariant: networks are fictitious, addresses lie in ranges that are never routed (RFC 2544 and
//! RFC 5737), and autonomous systems in the ranges for documentation (RFC 5398).

use std::net::Ipv4Addr;

use chrono_tz::Tz;

/// A town.
#[derive(Debug)]
pub struct City {
    /// As vendors write it.
    pub name: &'static str,
    /// State or region.
    pub region: &'static str,
    /// ISO 3166-1 alpha-2.
    pub country: &'static str,
    /// As Okta writes it.
    pub country_name: &'static str,
    /// Postal code.
    pub postal_code: &'static str,
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// Local time.
    pub zone: Tz,
    /// Consumer, mobile and hotel networks: number and name.
    networks: [(u32, &'static str); 3],
    /// Second octet and first value of the third, in 198.18.0.0/15.
    block: (u8, u8),
}

/// Headquarters.
pub const BERLIN: City = City {
    name: "Berlin",
    region: "Land Berlin",
    country: "DE",
    country_name: "Germany",
    postal_code: "10117",
    lat: 52.5167,
    lon: 13.4,
    zone: Tz::Europe__Berlin,
    networks: [
        (64496, "spreenetz"),
        (64497, "havel mobil"),
        (64496, "spreenetz"),
    ],
    block: (18, 0),
};
/// Some work from here.
pub const HAMBURG: City = City {
    name: "Hamburg",
    region: "Free and Hanseatic City of Hamburg",
    country: "DE",
    country_name: "Germany",
    postal_code: "20095",
    lat: 53.5507,
    lon: 9.993,
    zone: Tz::Europe__Berlin,
    networks: [
        (64498, "elbkabel"),
        (64497, "havel mobil"),
        (64498, "elbkabel"),
    ],
    block: (18, 64),
};
/// Some work from here.
pub const MUNICH: City = City {
    name: "Munich",
    region: "Bavaria",
    country: "DE",
    country_name: "Germany",
    postal_code: "80331",
    lat: 48.1374,
    lon: 11.5755,
    zone: Tz::Europe__Berlin,
    networks: [
        (64499, "isarkom"),
        (64497, "havel mobil"),
        (64499, "isarkom"),
    ],
    block: (18, 96),
};
/// A small office.
pub const LISBON: City = City {
    name: "Lisbon",
    region: "Lisbon District",
    country: "PT",
    country_name: "Portugal",
    postal_code: "1000-001",
    lat: 38.7167,
    lon: -9.1333,
    zone: Tz::Europe__Lisbon,
    networks: [
        (64500, "tejo fibra"),
        (64501, "tejo movel"),
        (64502, "hospedagem wifi"),
    ],
    block: (18, 128),
};
/// A small office.
pub const NEW_YORK: City = City {
    name: "New York",
    region: "New York",
    country: "US",
    country_name: "United States",
    postal_code: "10001",
    lat: 40.7143,
    lon: -74.006,
    zone: Tz::America__New_York,
    networks: [
        (64503, "hudson broadband"),
        (64504, "hudson wireless"),
        (64505, "guest wifi services"),
    ],
    block: (18, 160),
};

/// Where a thief sits; nobody of the company was ever there.
pub const LAGOS: City = thief(
    "Lagos",
    "Lagos",
    "NG",
    "Nigeria",
    (6.4541, 3.3947),
    (65536, "lagoon telecom"),
    0,
);
/// See [`LAGOS`].
pub const PYONGYANG: City = thief(
    "Pyongyang",
    "Pyongyang",
    "KP",
    "North Korea",
    (39.0339, 125.7543),
    (65537, "taedong net"),
    16,
);
/// See [`LAGOS`].
pub const SAO_PAULO: City = thief(
    "São Paulo",
    "São Paulo",
    "BR",
    "Brazil",
    (-23.5475, -46.6361),
    (65538, "paulista banda larga"),
    32,
);
/// See [`LAGOS`].
pub const SINGAPORE: City = thief(
    "Singapore",
    "Central Singapore",
    "SG",
    "Singapore",
    (1.2897, 103.8501),
    (65539, "straits hosting"),
    48,
);
/// See [`LAGOS`].
pub const BARCELONA: City = thief(
    "Barcelona",
    "Catalonia",
    "ES",
    "Spain",
    (41.3888, 2.159),
    (65540, "costa fibra"),
    64,
);
/// See [`LAGOS`].
pub const HANOI: City = thief(
    "Hanoi",
    "Hanoi",
    "VN",
    "Vietnam",
    (21.0245, 105.8412),
    (65541, "song hong net"),
    80,
);
/// See [`LAGOS`].
pub const BUCHAREST: City = thief(
    "Bucharest",
    "București",
    "RO",
    "Romania",
    (44.4323, 26.1063),
    (65542, "dambovita host"),
    96,
);

const fn thief(
    name: &'static str,
    region: &'static str,
    country: &'static str,
    country_name: &'static str,
    (lat, lon): (f64, f64),
    network: (u32, &'static str),
    third: u8,
) -> City {
    City {
        name,
        region,
        country,
        country_name,
        postal_code: "0",
        lat,
        lon,
        zone: Tz::UTC,
        networks: [network, network, network],
        block: (19, third),
    }
}

impl City {
    /// The company has a line of its own here.
    pub fn has_office(&self) -> bool {
        matches!(self.name, "Berlin" | "Lisbon" | "New York")
    }

    /// Too far for a journey between a night and the morning.
    pub fn is_far_from(&self, other: &City) -> bool {
        40.0 < (self.lat - other.lat).abs() + (self.lon - other.lon).abs()
    }
}

impl PartialEq for City {
    fn eq(&self, other: &City) -> bool {
        self.name == other.name
    }
}

impl Eq for City {}

/// How somebody is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// The company's own line in this town.
    Office,
    /// At home.
    Home,
    /// On the telephone.
    Mobile,
    /// In an hotel.
    Hotel,
}

/// A point of the network.
#[derive(Debug, Clone)]
pub struct Spot {
    /// The town that geo databases give.
    pub city: &'static City,
    /// The address that services see.
    pub ip: Ipv4Addr,
    /// Autonomous system.
    pub asn: u32,
    /// Its name.
    pub network: &'static str,
}

impl Spot {
    /// Where this person appears when so connected. The address is theirs for good, except on the
    /// telephone, where it changes with `turn`.
    pub fn new(city: &'static City, link: Link, person: u32, turn: u32) -> Spot {
        let (second, third) = city.block;
        let [home, mobile, hotel] = city.networks;
        let (asn, network) = match link {
            Link::Office => (64510, "example gmbh"),
            Link::Home => home,
            Link::Mobile => mobile,
            Link::Hotel => hotel,
        };
        let host = |width: u32, number: u32| {
            (
                third + (number / 250 % width) as u8,
                (number % 250 + 2) as u8,
            )
        };
        let ip = match link {
            Link::Office => Ipv4Addr::new(203, 0, 113, 10 + third / 8 + (person % 2) as u8),
            Link::Home | Link::Hotel => {
                let (third, fourth) = host(12, person.wrapping_mul(37));
                Ipv4Addr::new(198, second, third, fourth)
            }
            Link::Mobile => {
                let (third, fourth) = host(2, person.wrapping_mul(11) + turn.wrapping_mul(53));
                Ipv4Addr::new(198, second, third + 12, fourth)
            }
        };
        Spot {
            city,
            ip,
            asn,
            network,
        }
    }
}
