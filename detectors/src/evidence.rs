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

/// What others share is stored as a copy.
pub(crate) mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<T: Serialize, S: Serializer>(what: &Arc<T>, to: S) -> Result<S::Ok, S::Error> {
        (**what).serialize(to)
    }

    pub fn deserialize<'de, T, D>(from: D) -> Result<Arc<T>, D::Error>
    where
        T: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        T::deserialize(from).map(Arc::new)
    }
}

/// Events that bins share are stored as a list of each bin's own.
mod shared_events {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{EventRef, KEPT_MAX, Kept};

    pub fn serialize<S: Serializer>(kept: &Kept, to: S) -> Result<S::Ok, S::Error> {
        kept.iter()
            .flatten()
            .map(|event| &**event)
            .collect::<Vec<_>>()
            .serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Kept, D::Error> {
        let events = Vec::<EventRef>::deserialize(from)?;
        let mut events = events.into_iter().take(KEPT_MAX).map(Arc::new);
        Ok(std::array::from_fn(|_| events.next()))
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
    #[serde(with = "shared_events")]
    kept: Kept,
}

/// The smallest events, ascending. Shared by all bins that an event falls into, and in place: most bins
/// hold one event, and there is a bin for almost every event.
type Kept = [Option<Arc<EventRef>>; KEPT_MAX];

impl Default for Sample {
    fn default() -> Self {
        Sample {
            count: 0,
            first: i64::MAX,
            last: i64::MIN,
            kept: Kept::default(),
        }
    }
}

impl Sample {
    /// Adds one event. `make` is called only when the event is among the three smallest.
    pub fn add(&mut self, time: i64, uid: &str, make: impl FnOnce() -> Arc<EventRef>) {
        self.count += 1;
        self.first = self.first.min(time);
        self.last = self.last.max(time);
        let smaller = |known: &Option<Arc<EventRef>>| {
            known
                .as_ref()
                .is_some_and(|known| known.rank() <= (time, uid))
        };
        let place = self.kept.iter().take_while(|known| smaller(known)).count();
        if place < KEPT_MAX {
            self.kept[place..].rotate_right(1);
            self.kept[place] = Some(make());
        }
    }

    /// Adds all of another sample.
    pub fn merge(&mut self, other: &Sample) {
        self.count += other.count;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        let mut mine = std::mem::take(&mut self.kept)
            .into_iter()
            .flatten()
            .peekable();
        let mut theirs = other.events().peekable();
        self.kept = std::array::from_fn(|_| {
            let is_mine = match (mine.peek(), theirs.peek()) {
                (Some(mine), Some(theirs)) => mine.rank() <= theirs.rank(),
                (mine, _) => mine.is_some(),
            };
            if is_mine {
                mine.next()
            } else {
                theirs.next().cloned()
            }
        });
    }

    /// Takes events out of what is kept, not of the count; how many there were.
    pub fn erase(&mut self, is_theirs: &dyn Fn(&EventRef) -> bool) -> usize {
        let before = self.events().count();
        let kept = std::mem::take(&mut self.kept);
        let mut others = kept.into_iter().flatten().filter(|event| !is_theirs(event));
        self.kept = std::array::from_fn(|_| others.next());
        before - self.events().count()
    }

    /// The kept events, smallest (time, uid) first.
    pub fn events(&self) -> impl Iterator<Item = &Arc<EventRef>> {
        self.kept.iter().flatten()
    }
}

/// The events of several bins as one list: the smallest `most` by (time, uid).
pub fn gather<'a>(samples: impl IntoIterator<Item = &'a Sample>, most: usize) -> Vec<EventRef> {
    let mut all: Vec<EventRef> = samples
        .into_iter()
        .flat_map(|sample| sample.events().map(|event| (**event).clone()))
        .collect();
    all.sort_by(|a, b| a.rank().cmp(&b.rank()));
    all.truncate(most);
    all
}
