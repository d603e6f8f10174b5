//! One of the 256 virtual shards: its principals, its dedup keys, its detectors.
//!
//! Invariant: a principal's rows all come to one shard, and a row that was seen before changes nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::detector::{Detector, Event};
use crate::event::{Activity, Events};
use crate::recent::Recent;
use crate::time::Day;
use crate::verdict::Stream;
use crate::world::{Who, World};

/// Number of virtual shards, fixed for ever: state is stored under their numbers.
pub const SHARDS: usize = 256;

/// Hashes that are already uniform need no second hash.
#[derive(Debug, Clone, Copy, Default)]
pub struct Uniform(u64);

impl std::hash::Hasher for Uniform {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxhash_rust::xxh3::xxh3_64_with_seed(bytes, self.0);
    }

    // The byte that ends every text adds nothing.
    fn write_u8(&mut self, _: u8) {}

    fn write_u64(&mut self, value: u64) {
        self.0 ^= value;
    }
}

type Build = std::hash::BuildHasherDefault<Uniform>;

/// Where a row goes: the hash of its user, else of its address, else of its id. See [`shard_of`].
pub fn route(seed: u64, row: crate::event::Row<'_>) -> u64 {
    route_of(
        seed,
        row.user().or_else(|| row.ip()).unwrap_or_else(|| row.uid()),
    )
}

/// The route of the rows of a user.
pub fn route_of(seed: u64, user: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(user.as_bytes(), seed)
}

/// The shard of a route.
pub fn shard_of(route: u64) -> usize {
    (route >> 56) as usize
}

/// A batch with what every shard needs of it computed once.
pub struct Prepared<'a> {
    /// The rows.
    pub events: Events<'a>,
    /// Day and route of each row.
    pub rows: Vec<(Day, u64)>,
    /// The days among them, some perhaps more than once.
    pub days: Vec<Day>,
    /// The origins in it: number, and source.
    pub origins: Vec<(u32, Arc<str>)>,
    /// Index into `origins` of each row.
    pub origin_of: Vec<u16>,
}

/// What one worker judges with. About the company as a whole it counts in detectors of its own, in which
/// the company has this index.
pub struct Worker<'a> {
    pub(crate) world: &'a World,
    /// The last closed day of each detector.
    pub(crate) sealed: &'a [Option<Day>],
    pub(crate) entity: u32,
    pub(crate) detectors: &'a mut [Box<dyn Detector>],
    /// Rows that detectors of addresses read: route of the address, batch and row.
    pub(crate) by_address: Vec<(u64, u32, u32)>,
}

/// How many rows a source gave, and what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// Rows that were new and in time for at least one detector.
    pub admitted: u64,
    /// Rows seen before.
    pub repeats: u64,
    /// Of the admitted rows, those whose id another record had lately with other content.
    pub conflicts: u64,
    /// Rows of days that every detector has closed.
    pub late: u64,
}

/// Dedup keys of one day.
#[derive(Default)]
struct Seen {
    keys: HashSet<u64, Build>,
    /// As they were read back, eight bytes each: looked at when a row of the day comes.
    stored: Vec<Vec<u8>>,
}

impl Seen {
    /// Whether the key is new.
    fn insert(&mut self, key: u64) -> bool {
        for bytes in self.stored.drain(..) {
            let (keys, _) = bytes.as_chunks();
            self.keys
                .extend(keys.iter().map(|key| u64::from_le_bytes(*key)));
        }
        self.keys.insert(key)
    }
}

/// One virtual shard.
pub struct Shard {
    pub(crate) names: Vec<Who>,
    /// By stream, so that a look-up needs no key of its own.
    index: [HashMap<Box<str>, u32, Build>; Stream::COUNT],
    seen: BTreeMap<Day, Seen>,
    new_keys: Vec<(Day, u64)>,
    recent: Recent,
    /// The principal of the row before: rows of one come together.
    last: Option<u32>,
    /// In the order of the enabled detectors.
    pub(crate) detectors: Vec<Box<dyn Detector>>,
}

impl Shard {
    /// An empty shard with these detectors.
    pub fn new(detectors: Vec<Box<dyn Detector>>) -> Self {
        Shard {
            names: Vec::new(),
            index: Default::default(),
            seen: BTreeMap::new(),
            new_keys: Vec::new(),
            recent: Recent::default(),
            last: None,
            detectors,
        }
    }

    /// The principals by index.
    pub fn names(&self) -> &[Who] {
        &self.names
    }

    /// The index of a principal, made when it is new.
    pub fn entity(&mut self, stream: Stream, name: &str) -> u32 {
        let is_it = |index: &u32| {
            let who = &self.names[*index as usize];
            who.stream == stream && &*who.name == name
        };
        if let Some(index) = self.last.filter(is_it) {
            return index;
        }
        let known = &mut self.index[stream as usize];
        if let Some(index) = known.get(name) {
            self.last = Some(*index);
            return *index;
        }
        let index = self.names.len() as u32;
        known.insert(name.into(), index);
        self.names.push(Who {
            stream,
            name: name.into(),
        });
        index
    }

    /// Forgets the name of a principal, whose index stays unused; `None` where it is not known.
    pub(crate) fn forget(&mut self, stream: Stream, name: &str) -> Option<u32> {
        let index = self.index[stream as usize].remove(name)?;
        self.names[index as usize].name = "".into();
        self.last = None;
        Some(index)
    }

    /// Takes one row in: row `.1` of the batch with number `.0`. `readers`: the detectors that read its activity.
    pub fn observe(
        &mut self,
        worker: &mut Worker<'_>,
        batch: &Prepared<'_>,
        (number, row): (u32, u32),
        readers: &[usize],
        tally: &mut Tally,
    ) {
        let (world, sealed) = (worker.world, worker.sealed);
        let (place, (day, _)) = (row, batch.rows[row as usize]);
        let is_open = |detector: usize| sealed[detector].is_none_or(|sealed| sealed < day);
        if !(0..sealed.len()).any(is_open) {
            tally.late += 1;
            return;
        }
        let row = batch.events.row(row as usize);
        if !self.seen.entry(day).or_default().insert(row.key()) {
            tally.repeats += 1;
            return;
        }
        self.new_keys.push((day, row.key()));
        tally.admitted += 1;
        let (origin, _) = batch.origins[usize::from(batch.origin_of[row.index()])];
        let record = u64::from(origin) << 44 ^ row.offset();
        tally.conflicts += u64::from(self.recent.is_conflict(row.uid(), record));
        let stream = Stream::of(row.kind());
        let event = Event {
            row,
            day,
            pane: world.calendar.pane(day, row.time()),
            stream,
            user: row.user().unwrap_or_default(),
            origin,
            world,
        };
        let (mut entity, mut is_forwarded) = (None, false);
        for &detector in readers {
            if !is_open(detector) {
                continue;
            }
            let subjects = self.detectors[detector].subjects();
            if subjects.company && self.detectors[detector].wants(&row, Stream::Company) {
                let of_company = Event {
                    stream: Stream::Company,
                    ..event
                };
                worker.detectors[detector].observe(worker.entity, &of_company);
            }
            let wants = |stream| self.detectors[detector].wants(&row, stream);
            let (is_users, is_address) = (
                subjects.users && !event.user.is_empty() && wants(stream),
                subjects.addresses && !is_forwarded && wants(Stream::Address),
            );
            if is_users {
                let entity = *entity.get_or_insert_with(|| self.entity(stream, event.user));
                self.detectors[detector].observe(entity, &event);
            }
            if is_address && let Some(address) = row.ip() {
                is_forwarded = true;
                let route = route_of(world.seed, address);
                worker.by_address.push((route, number, place));
            }
        }
    }

    /// Takes a row in that another shard has admitted: for the detectors that judge its address.
    pub fn observe_address(
        &mut self,
        world: &World,
        sealed: &[Option<Day>],
        batch: &Prepared<'_>,
        row: u32,
        readers: &[usize],
    ) {
        let (day, _) = batch.rows[row as usize];
        let (origin, _) = batch.origins[usize::from(batch.origin_of[row as usize])];
        let row = batch.events.row(row as usize);
        let Some(address) = row.ip() else {
            return;
        };
        let stream = Stream::Address;
        let event = Event {
            row,
            day,
            pane: world.calendar.pane(day, row.time()),
            stream,
            user: row.user().unwrap_or_default(),
            origin,
            world,
        };
        for &detector in readers {
            let is_open = sealed[detector].is_none_or(|sealed| sealed < day);
            let judge = &self.detectors[detector];
            if is_open && judge.subjects().addresses && judge.wants(&row, stream) {
                let entity = self.entity(Stream::Address, address);
                self.detectors[detector].observe(entity, &event);
            }
        }
    }

    /// Forgets the dedup keys of the days up to `day`: repeats of theirs are too late.
    pub fn forget_keys(&mut self, day: Day) {
        self.seen = self.seen.split_off(&(day + 1));
        self.new_keys.retain(|(known, _)| day < *known);
    }

    /// Dedup keys since the last call, by day.
    pub fn take_new_keys(&mut self) -> BTreeMap<Day, Vec<u64>> {
        let mut out = BTreeMap::<Day, Vec<u64>>::new();
        for (day, key) in self.new_keys.drain(..) {
            out.entry(day).or_default().push(key);
        }
        out
    }

    /// Puts dedup keys back, eight bytes each.
    pub fn restore_keys(&mut self, day: Day, keys: Vec<u8>) {
        self.seen.entry(day).or_default().stored.push(keys);
    }
}

/// Which detectors read an activity.
pub fn readers(world: &World) -> Vec<Vec<usize>> {
    let enabled = world.enabled();
    let reads = |activity: &Activity| {
        let of = |(index, (entry, _, _)): (usize, &(&crate::catalog::Entry, i64, i32))| {
            entry.activities.contains(activity).then_some(index)
        };
        enabled.iter().enumerate().filter_map(of).collect()
    };
    Activity::ALL.iter().map(reads).collect()
}
