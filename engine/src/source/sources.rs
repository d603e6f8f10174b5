//! All that the pipeline reads: Kafka, and what came through the doors, as partitions side by side.
//!
//! Invariant: whoever reads cannot tell by order, positions or ends which of the two a partition is of.

use std::sync::Arc;
use std::time::Duration;

use super::kafka::{Discovered, KafkaOptions, KafkaSource, Polled, SourceError};
use crate::clock::{Came, Partition};
use crate::spool::{Entry, Given, Spool, SpoolReader};

/// What to read; one of the two at least, or nothing ever comes.
#[derive(Clone, Default)]
pub struct SourceOptions {
    /// Kafka.
    pub kafka: Option<KafkaOptions>,
    /// The doors.
    pub spool: Option<Arc<Spool>>,
}

/// One thing that a poll brings; `partition` is the index that [`Sources::assign`] gave.
#[derive(Debug, Clone, Copy)]
pub enum Brought<'a> {
    /// A record of Kafka.
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
    /// A record that came through a door and was decoded there.
    Entry {
        /// Index of the partition.
        partition: usize,
        /// Its number.
        offset: i64,
        /// When.
        came: Came,
        /// The file that it comes from.
        origin: Option<&'a str>,
        /// What was kept of it.
        entry: Entry<'a>,
    },
    /// The partition has been read to its present end.
    End {
        /// Index of the partition.
        partition: usize,
        /// Where the next record will be, or later; where it is known.
        next_offset: Option<i64>,
        /// Up to here all that its folder held was given, where it is one.
        looked_ms: Option<i64>,
    },
    /// What the position points to is not there any more; reading goes on at `to`.
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

#[derive(Debug, Clone, Copy)]
enum Route {
    Kafka(usize),
    Door(usize),
}

/// Reads all of it. It belongs to one thread.
pub struct Sources {
    kafka: Option<KafkaSource>,
    doors: Option<SpoolReader>,
    routes: Vec<Route>,
    /// Of the partitions of each, the indices given to the outside.
    of_kafka: Vec<usize>,
    of_doors: Vec<usize>,
}

impl Sources {
    /// Makes what reads. The broker need not be there yet.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn connect(options: &SourceOptions) -> Result<Self, SourceError> {
        Ok(Sources {
            kafka: options
                .kafka
                .as_ref()
                .map(KafkaSource::connect)
                .transpose()?,
            doors: options.spool.clone().map(SpoolReader::new),
            routes: Vec::new(),
            of_kafka: Vec::new(),
            of_doors: Vec::new(),
        })
    }

    /// All partitions that there are. Without an answer of Kafka's, the doors wait too: their days must not be
    /// closed before it is known who else is to be waited for.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn discover(&self, timeout: Duration) -> Result<Discovered, SourceError> {
        let mut found = match &self.kafka {
            Some(kafka) => kafka.discover(timeout)?,
            None => Discovered::default(),
        };
        let doors = self.door_partitions();
        found
            .partitions
            .extend(doors.into_iter().map(|(partition, ..)| partition));
        found.partitions.sort_unstable();
        Ok(found)
    }

    /// Whether a door has partitions that are not read yet.
    pub fn has_new_doors(&self) -> bool {
        self.of_doors.len() < self.door_partitions().len()
    }

    /// Whether a stored position is of something that is read.
    pub fn has_door(&self, partition: &Partition) -> bool {
        let mut doors = self.door_partitions().into_iter();
        doors.any(|(known, ..)| known == *partition)
    }

    fn door_partitions(&self) -> Vec<(Partition, u64, u64)> {
        match &self.doors {
            Some(doors) => doors.spool().partitions(),
            None => Vec::new(),
        }
    }

    /// First offset and end of a partition.
    ///
    /// # Errors
    /// When it is not there, or Kafka does not answer.
    pub fn watermarks(
        &self,
        partition: &Partition,
        timeout: Duration,
    ) -> Result<(i64, i64), SourceError> {
        if partition.is_door() {
            let mut known = self.door_partitions().into_iter();
            let marks = known.find(|(known, ..)| known == partition);
            return marks
                .map(|(_, start, end)| (start as i64, end as i64))
                .ok_or_else(|| SourceError::fatal(format!("nothing ever came to {partition}")));
        }
        match &self.kafka {
            Some(kafka) => kafka.watermarks(partition, timeout),
            None => Err(SourceError::fatal(format!(
                "{partition} is of Kafka, which is not read: set kafka.topics"
            ))),
        }
    }

    /// Reads these partitions too, each from its next offset on; gives each a dense index, in order.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn assign(&mut self, starts: &[(Partition, i64)]) -> Result<(), SourceError> {
        let of_kafka: Vec<_> = starts
            .iter()
            .filter(|(partition, _)| !partition.is_door())
            .cloned()
            .collect();
        if let (Some(kafka), false) = (&mut self.kafka, of_kafka.is_empty()) {
            kafka.assign(&of_kafka)?;
        }
        for (partition, start) in starts {
            let outside = self.routes.len();
            if !partition.is_door() {
                self.routes.push(Route::Kafka(self.of_kafka.len()));
                self.of_kafka.push(outside);
                continue;
            }
            let position = u64::try_from(*start).unwrap_or(0);
            let doors = self.doors.as_mut();
            let index = doors.and_then(|doors| doors.assign(partition, position));
            let index = index
                .ok_or_else(|| SourceError::fatal(format!("nothing ever came to {partition}")))?;
            self.routes.push(Route::Door(index));
            self.of_doors.push(outside);
        }
        Ok(())
    }

    /// Takes no part in polls until it is resumed.
    pub fn pause(&mut self, partition: usize) {
        self.set_paused(partition, true);
    }

    /// Takes part in polls again.
    pub fn resume(&mut self, partition: usize) {
        self.set_paused(partition, false);
    }

    fn set_paused(&mut self, partition: usize, is_paused: bool) {
        match (self.routes[partition], &mut self.kafka, &mut self.doors) {
            (Route::Kafka(index), Some(kafka), _) if is_paused => kafka.pause(index),
            (Route::Kafka(index), Some(kafka), _) => kafka.resume(index),
            (Route::Door(index), _, Some(doors)) => doors.pause(index, is_paused),
            _ => {}
        }
    }

    /// Goes on at another offset, after a topic was gone for a while.
    ///
    /// # Errors
    /// When the client cannot be made anew.
    pub fn restart(&mut self, partition: usize, position: i64) -> Result<(), SourceError> {
        match (self.routes[partition], &mut self.kafka) {
            (Route::Kafka(index), Some(kafka)) => kafka.restart(index, position),
            _ => Ok(()),
        }
    }

    /// Records not read yet.
    pub fn lag(&self, partition: usize) -> Option<i64> {
        match self.routes[partition] {
            Route::Kafka(index) => self.kafka.as_ref()?.lag(index),
            Route::Door(index) => i64::try_from(self.doors.as_ref()?.lag(index)).ok(),
        }
    }

    /// These positions are in a checkpoint on disk: the broker is shown them, for dashboards, and what the doors
    /// brought before them is not needed any more.
    pub fn commit(&self, positions: &[(Partition, i64)]) {
        let (doors, topics): (Vec<_>, Vec<_>) = positions
            .iter()
            .cloned()
            .partition(|(partition, _)| partition.is_door());
        if let Some(kafka) = &self.kafka {
            kafka.commit(&topics);
        }
        if let Some(reader) = &self.doors {
            for (partition, position) in doors {
                reader
                    .spool()
                    .release(&partition, u64::try_from(position).unwrap_or(0));
            }
        }
    }

    /// Gives one batch: waits up to `timeout` for something, then takes what is there, up to about
    /// `messages_max` records. Returns the number of records.
    ///
    /// # Errors
    /// When retrying cannot help.
    pub fn poll(
        &mut self,
        messages_max: usize,
        timeout: Duration,
        each: &mut dyn FnMut(Brought<'_>),
    ) -> Result<usize, SourceError> {
        let mut given = 0;
        if let Some(doors) = &mut self.doors {
            let of_doors = &self.of_doors;
            given += poll_doors(doors, of_doors, messages_max, each)?;
        }
        // Who has something does not wait for who has not.
        let left = if given == 0 { timeout } else { Duration::ZERO };
        match (&mut self.kafka, &self.doors) {
            (Some(kafka), _) => {
                let of_kafka = &self.of_kafka;
                let polled = &mut |polled: Polled<'_>| each(brought(polled, of_kafka));
                given += kafka.poll(messages_max, left, polled)?;
            }
            (None, Some(doors)) if given == 0 => doors.wait(timeout),
            _ => {}
        }
        Ok(given)
    }
}

fn brought<'a>(polled: Polled<'a>, outside: &[usize]) -> Brought<'a> {
    match polled {
        Polled::Record {
            partition,
            offset,
            timestamp_ms,
            payload,
        } => Brought::Record {
            partition: outside[partition],
            offset,
            timestamp_ms,
            payload,
        },
        Polled::End {
            partition,
            next_offset,
        } => Brought::End {
            partition: outside[partition],
            next_offset: Some(next_offset),
            looked_ms: None,
        },
        Polled::Gap {
            partition,
            from,
            to,
        } => Brought::Gap {
            partition: outside[partition],
            from,
            to,
        },
        Polled::Trouble { text } => Brought::Trouble { text },
    }
}

fn poll_doors(
    doors: &mut SpoolReader,
    outside: &[usize],
    entries_max: usize,
    each: &mut dyn FnMut(Brought<'_>),
) -> Result<usize, SourceError> {
    let polled = doors.poll(entries_max, &mut |given| {
        each(match given {
            Given::Entry {
                partition,
                number,
                came,
                origin,
                entry,
            } => Brought::Entry {
                partition: outside[partition],
                offset: number as i64,
                came,
                origin,
                entry,
            },
            Given::End {
                partition,
                looked_ms,
            } => Brought::End {
                partition: outside[partition],
                next_offset: None,
                looked_ms,
            },
            Given::Gap {
                partition,
                from,
                to,
            } => Brought::Gap {
                partition: outside[partition],
                from: from as i64,
                to: to as i64,
            },
        });
    });
    polled.map_err(|error| SourceError::Fatal {
        what:
            "what came through the doors cannot be read; check the folder spool in the state folder"
                .into(),
        cause: Some(Box::new(error)),
    })
}
