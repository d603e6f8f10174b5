//! The earliest of some events, and how many there were: for what is kept of everybody, where three events
//! would be too much.
//!
//! Invariant: a function of the set of events, whatever the order.

use serde::{Deserialize, Serialize};

use super::EventRef;
use crate::detector::Event;

/// The earliest by (time, uid).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct First {
    /// The event.
    pub event: EventRef,
    /// How many there were.
    pub count: u64,
}

impl First {
    /// Of one event.
    pub fn of(event: &Event<'_>) -> First {
        let row = event.row;
        let event = EventRef {
            time: row.time(),
            uid: row.uid().into(),
            origin: event.origin,
            offset: row.offset(),
        };
        First { event, count: 1 }
    }

    /// Adds an event; whether it is the earliest now.
    pub fn add(&mut self, event: &Event<'_>) -> bool {
        let count = self.count.saturating_add(1);
        let is_earlier = (event.row.time(), event.row.uid()) < self.rank();
        if is_earlier {
            *self = First::of(event);
        }
        self.count = count;
        is_earlier
    }

    /// What events are ordered by.
    pub fn rank(&self) -> (i64, &str) {
        (self.event.time, &self.event.uid)
    }
}
