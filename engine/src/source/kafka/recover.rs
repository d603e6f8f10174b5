//! Getting on when a partition does not: its position is lost, or it has fallen silent.
//!
//! Invariant: reading goes on at the own position; where it cannot, the jump is said as a gap.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;

use super::{ASKED_EVERY, Each, Given, KafkaSource, Polled, SourceError, list_of, open};

/// Silence after which the broker is asked whether there really is nothing more.
pub(super) const QUIET: Duration = Duration::from_secs(30);
/// Silence after a new beginning that proves the client stuck.
const STUCK: Duration = Duration::from_secs(10);
/// Time that a question about a position may take out of a poll.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

impl KafkaSource {
    /// Finds where partitions go on whose position points to nothing.
    pub(super) fn search(
        &mut self,
        given: &mut Given,
        each: &mut Each<'_>,
    ) -> Result<(), SourceError> {
        for index in 0..self.assigned.len() {
            let assigned = &self.assigned[index];
            let due = assigned.search_at.is_some_and(|at| at <= Instant::now());
            if assigned.paused || !due {
                continue;
            }
            match self.watermarks(&assigned.partition, ANSWER_TIMEOUT) {
                Ok((low, high)) => self.go_on(index, low, high, given, each)?,
                // The topic may be gone by now, which whoever looks for topics finds out.
                Err(error) => {
                    self.assigned[index].search_at = Some(Instant::now() + ASKED_EVERY);
                    self.tell(&format!("{error}; retrying"), given, each);
                }
            }
        }
        Ok(())
    }

    fn go_on(
        &mut self,
        index: usize,
        low: i64,
        high: i64,
        given: &mut Given,
        each: &mut Each<'_>,
    ) -> Result<(), SourceError> {
        let from = self.assigned[index].position;
        // Beyond the end: the topic was made anew, or the broker has lost its last records. To read
        // what there is again costs time only, since repeats are recognised; to wait would lose events.
        let to = if (low..=high).contains(&from) {
            from
        } else {
            low
        };
        self.begin_anew(index, to, high)?;
        self.assigned[index].search_at = None;
        self.lost -= 1;
        if from != to {
            given.others += 1;
            each(Polled::Gap {
                partition: index,
                from,
                to,
            });
        }
        Ok(())
    }

    /// Has the client fetch one partition anew; `high` is its end before that.
    fn begin_anew(&mut self, index: usize, position: i64, high: i64) -> Result<(), SourceError> {
        let assigned = &mut self.assigned[index];
        let list = list_of([(&assigned.partition, position)])?;
        let begun = self
            .client
            .incremental_unassign(&list)
            .and_then(|()| self.client.incremental_assign(&list));
        begun.map_err(|error| SourceError::Fatal {
            what: format!(
                "{} could not be read on from {position}",
                assigned.partition
            ),
            cause: Some(Box::new(error)),
        })?;
        (assigned.position, assigned.end_min, assigned.end) = (position, high, Some(high));
        Ok(())
    }

    /// The client can fall silent for good: a topic deleted and made anew within half a minute may have
    /// an older leader epoch than the client remembers, and it then ignores the new leader without a
    /// word. A watcher must not go blind like that, so silence is checked against the broker: first
    /// with a new beginning of that partition, then with a new client.
    pub(super) fn look_after_the_quiet(
        &mut self,
        given: &mut Given,
        each: &mut Each<'_>,
    ) -> Result<(), SourceError> {
        let now = Instant::now();
        let turn = ASKED_EVERY.min(self.quiet);
        if now.saturating_duration_since(self.looked) < turn {
            return Ok(());
        }
        self.looked = now;
        let quiet = self.quiet;
        let waited = |at: Instant| now.saturating_duration_since(at);
        let doubtful = self.assigned.iter().position(|assigned| {
            !assigned.paused && assigned.doubted_at.is_some_and(|at| STUCK <= waited(at))
        });
        if let Some(index) = doubtful {
            let name = &self.assigned[index].partition;
            let text =
                format!("{name} gives nothing although the broker has more; connecting anew");
            self.tell(&text, given, each);
            return self.connect_anew();
        }
        let silent = self.assigned.iter().position(|assigned| {
            !assigned.paused
                && assigned.search_at.is_none()
                && assigned.doubted_at.is_none()
                // Something in its queue is no silence, merely not its turn yet.
                && !assigned.ready.load(Ordering::Relaxed)
                && quiet <= waited(assigned.heard_at)
        });
        let Some(index) = silent else { return Ok(()) };
        self.assigned[index].heard_at = now;
        match self.watermarks(&self.assigned[index].partition, ANSWER_TIMEOUT) {
            Ok((_, high)) if high != self.assigned[index].position => {
                self.assigned[index].doubted_at = Some(now);
                let position = self.assigned[index].position;
                self.begin_anew(index, position, high)
            }
            Ok(_) => Ok(()),
            Err(_) => {
                // The broker is away, which is said elsewhere; asking would only hold up the reader.
                self.looked = now + quiet;
                Ok(())
            }
        }
    }

    /// Replaces the client; every partition goes on at its position.
    pub(super) fn connect_anew(&mut self) -> Result<(), SourceError> {
        let fresh = open(&self.options, self.ahead_kib, &self.wake)?;
        let retired = std::mem::replace(&mut self.client, fresh);
        let before = std::mem::take(&mut self.assigned);
        for old in &before {
            let mut assigned = self.split(&old.partition, old.position)?;
            (assigned.paused, assigned.settled) = (old.paused, old.settled);
            self.assigned.push(assigned);
        }
        self.lost = 0;
        // The end of a client that is stuck may take its time.
        thread::spawn(move || {
            drop(before);
            drop(retired);
        });
        self.begin(0)
    }
}
