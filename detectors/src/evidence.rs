//! Which events made a verdict: the three smallest of each bin, and the count of all.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::alert::Evidence;
use crate::event::time_text;

const KEPT_MAX: usize = 3;

/// Where one event can be found again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRef {
    /// Event time, ms since 1970 UTC.
    pub time: i64,
    /// The vendor's id.
    pub uid: Box<str>,
    /// Configured source.
    #[serde(with = "shared_text")]
    pub source: Arc<str>,
    /// File, or topic and partition.
    #[serde(with = "shared_text")]
    pub origin: Arc<str>,
    /// Record number within the origin.
    pub offset: u64,
}

impl EventRef {
    fn rank(&self) -> (i64, &str) {
        (self.time, &self.uid)
    }

    /// As it stands in an alert.
    pub fn to_evidence(&self) -> Evidence {
        Evidence {
            time: time_text(self.time),
            uid: self.uid.to_string(),
            source: self.source.to_string(),
            position: format!("{}@{}", self.origin, self.offset),
        }
    }
}

/// Text that many events share is stored as plain text.
pub(crate) mod shared_text {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(text: &Arc<str>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(text)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(from).map(Arc::from)
    }
}

/// Events of one bin (a pane, an hour, a place), in a form that merges in any order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// How many events.
    pub count: u64,
    /// Earliest event time.
    pub first: i64,
    /// Latest event time.
    pub last: i64,
    kept: Vec<EventRef>,
}

impl Default for Sample {
    fn default() -> Self {
        Sample {
            count: 0,
            first: i64::MAX,
            last: i64::MIN,
            kept: Vec::new(),
        }
    }
}

impl Sample {
    /// Adds one event. `make` is called only when the event is among the three smallest.
    pub fn add(&mut self, time: i64, uid: &str, make: impl FnOnce() -> EventRef) {
        self.count += 1;
        self.first = self.first.min(time);
        self.last = self.last.max(time);
        let place = self
            .kept
            .partition_point(|known| known.rank() <= (time, uid));
        if place < KEPT_MAX {
            self.kept.truncate(KEPT_MAX - 1);
            self.kept.insert(place, make());
        }
    }

    /// Adds all of another sample.
    pub fn merge(&mut self, other: &Sample) {
        self.count += other.count;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.kept.extend(other.kept.iter().cloned());
        self.kept.sort_by(|a, b| a.rank().cmp(&b.rank()));
        self.kept.truncate(KEPT_MAX);
    }

    /// The kept events, smallest (time, uid) first.
    pub fn events(&self) -> &[EventRef] {
        &self.kept
    }
}

/// The events of several bins as one list: the smallest `most` by (time, uid).
pub fn gather<'a>(samples: impl IntoIterator<Item = &'a Sample>, most: usize) -> Vec<EventRef> {
    let mut all: Vec<EventRef> = samples
        .into_iter()
        .flat_map(|sample| sample.kept.iter().cloned())
        .collect();
    all.sort_by(|a, b| a.rank().cmp(&b.rank()));
    all.truncate(most);
    all
}
