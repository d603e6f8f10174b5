//! What a reader hands out, and how it fails.
//!
//! Invariant: errors and troubles are sentences about brokers and positions; a record's content is in none.

/// What went wrong with a source.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It may come back: ask again later.
    #[error("{what}")]
    Unavailable {
        /// What happened.
        what: String,
        /// The client's own word.
        #[source]
        cause: Option<Cause>,
    },
    /// Retrying cannot help.
    #[error("{what}")]
    Fatal {
        /// What happened, and what to do.
        what: String,
        /// The client's own word.
        #[source]
        cause: Option<Cause>,
    },
}

/// An error of a library underneath.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

impl SourceError {
    pub(in crate::source) fn fatal(what: impl Into<String>) -> Self {
        SourceError::Fatal {
            what: what.into(),
            cause: None,
        }
    }

    /// May waiting help?
    pub fn may_pass(&self) -> bool {
        matches!(self, SourceError::Unavailable { .. })
    }
}

/// One thing that a poll brings; `partition` is the index that `assign` gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polled<'a> {
    /// A record.
    Record {
        /// Index of the partition.
        partition: usize,
        /// Its offset.
        offset: i64,
        /// When it was made or appended, as the topic has it.
        timestamp_ms: Option<i64>,
        /// Its bytes; none for a tombstone.
        payload: Option<&'a [u8]>,
    },
    /// The partition has been read to its present end.
    End {
        /// Index of the partition.
        partition: usize,
        /// Where the next record will be, or later.
        next_offset: i64,
    },
    /// The broker no longer has what the position points to; reading goes on at `to`.
    Gap {
        /// Index of the partition.
        partition: usize,
        /// The first offset that is missing.
        from: i64,
        /// The next that there is. It lies before `from` if the topic was made anew.
        to: i64,
    },
    /// Something is wrong and is being retried; the same is said once a minute.
    Trouble {
        /// A sentence for the log.
        text: &'a str,
    },
}
