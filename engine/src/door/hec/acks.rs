//! The ids that senders ask for later, by channel.
//!
//! Invariant: an id is given when its events are on disk, so that one that was given is acknowledged. Ids of before a
//! restart are not known: their sender sends again, and repeats are recognised.

use std::collections::BTreeMap;

/// Senders that have gone leave their channels behind.
const CHANNELS_MAX: usize = 10_000;

/// The channels.
#[derive(Debug, Default)]
pub struct Acks {
    channels: BTreeMap<String, Channel>,
    uses: u64,
}

#[derive(Debug, Default)]
struct Channel {
    next_id: u64,
    used: u64,
}

impl Acks {
    /// The next id of a channel.
    pub fn next(&mut self, channel: String) -> u64 {
        if CHANNELS_MAX <= self.channels.len() && !self.channels.contains_key(&channel) {
            self.forget_oldest();
        }
        self.uses += 1;
        let channel = self.channels.entry(channel).or_default();
        channel.used = self.uses;
        channel.next_id += 1;
        channel.next_id - 1
    }

    /// Which of these ids were given.
    pub fn known(&mut self, channel: &str, ids: &[u64]) -> Vec<(u64, bool)> {
        let known = self.channels.get(channel);
        let next_id = known.map_or(0, |channel| channel.next_id);
        ids.iter().map(|id| (*id, *id < next_id)).collect()
    }

    fn forget_oldest(&mut self) {
        let oldest = self.channels.iter().min_by_key(|(_, channel)| channel.used);
        if let Some(name) = oldest.map(|(name, _)| name.clone()) {
            self.channels.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each channel counts by itself, and who was silent longest makes room.
    #[test]
    fn ids_are_of_their_channel() {
        let mut acks = Acks::default();
        assert_eq!([acks.next("a".into()), acks.next("a".into())], [0, 1]);
        assert_eq!(acks.next("b".into()), 0);
        assert_eq!(
            acks.known("a", &[0, 1, 2]),
            [(0, true), (1, true), (2, false)]
        );
        assert_eq!(acks.known("b", &[1]), [(1, false)]);
        assert_eq!(acks.known("c", &[0]), [(0, false)]);
        for n in 0..CHANNELS_MAX {
            acks.next(n.to_string());
        }
        assert_eq!(acks.channels.len(), CHANNELS_MAX);
        assert_eq!(acks.known("a", &[0]), [(0, false)]);
    }
}
