//! Ids that were seen lately, to notice a vendor's id that comes again with other content.
//!
//! Invariant: bounded, and for counting only: no verdict depends on it. What lies further back than a thousand events
//! of its shard is not noticed.

/// Places of one shard; a power of two.
const PLACES: usize = 1024;

/// Where an id was seen last, by a part of its hash.
#[derive(Debug, Default)]
pub struct Recent(Vec<(u64, u64)>);

impl Recent {
    /// Notes an id and the record that it came with; whether it had come with another one.
    pub fn is_conflict(&mut self, uid: &str, record: u64) -> bool {
        if self.0.is_empty() {
            self.0 = vec![(0, 0); PLACES];
        }
        let hash = xxhash_rust::xxh3::xxh3_64(uid.as_bytes());
        let known = &mut self.0[hash as usize % PLACES];
        let is_other = known.0 == hash && known.1 != record;
        *known = (hash, record);
        is_other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Several rows of one record share its id; another record with that id is a conflict.
    #[test]
    fn an_id_that_comes_with_another_record_is_noticed() {
        let mut recent = Recent::default();
        let seen: Vec<bool> = [("a", 1), ("a", 1), ("b", 2), ("a", 3), ("b", 2)]
            .into_iter()
            .map(|(uid, record)| recent.is_conflict(uid, record))
            .collect();
        assert_eq!(seen, [false, false, false, true, false]);
    }
}
