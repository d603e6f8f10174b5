//! Stories of a reader, against the embedded broker.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use regex::Regex;

use super::*;
use crate::source::embedded::{Committed, EmbeddedBroker, Feed, FeedRecord};

const PATIENCE: Duration = Duration::from_secs(30);
const TURN: Duration = Duration::from_millis(100);

fn at(topic: &str, number: i32) -> Partition {
    Partition {
        topic: topic.to_owned(),
        number,
    }
}

fn options(broker: &EmbeddedBroker, topics: &[&str]) -> KafkaOptions {
    KafkaOptions {
        brokers: vec![broker.bootstrap_servers()],
        topics: Topics::List(topics.iter().map(|topic| (*topic).to_owned()).collect()),
        options: EmbeddedBroker::reader_options(),
        group: "nightjar-test".to_owned(),
    }
}

/// Record number `offset` of a partition says who it is.
fn fill(broker: &EmbeddedBroker, partition: &Partition, offsets: std::ops::Range<i64>) {
    for offset in offsets {
        let payload = format!("{partition}/{offset}");
        broker
            .produce(partition, 1_000 + offset, Some(payload.as_bytes()))
            .unwrap();
    }
    broker.flush(PATIENCE).unwrap();
}

/// Offset and payload.
type Kept = (i64, Option<Vec<u8>>);

/// What a reader has given, by partition; records in order.
#[derive(Debug, Default)]
struct Seen {
    records: BTreeMap<usize, Vec<Kept>>,
    ends: BTreeMap<usize, i64>,
    gaps: Vec<(usize, i64, i64)>,
    troubles: Vec<String>,
    stamped: bool,
}

impl Seen {
    fn take(&mut self, polled: Polled<'_>) {
        match polled {
            Polled::Record {
                partition,
                offset,
                timestamp_ms,
                payload,
            } => {
                self.stamped |= timestamp_ms == Some(1_000 + offset);
                let payload = payload.map(<[u8]>::to_vec);
                self.records
                    .entry(partition)
                    .or_default()
                    .push((offset, payload));
                self.ends.remove(&partition);
            }
            Polled::End {
                partition,
                next_offset,
            } => {
                self.ends.insert(partition, next_offset);
            }
            Polled::Gap {
                partition,
                from,
                to,
            } => self.gaps.push((partition, from, to)),
            Polled::Trouble { text } => self.troubles.push(text.to_owned()),
        }
    }

    fn count(&self) -> usize {
        self.records.values().map(Vec::len).sum()
    }

    fn offsets(&self, partition: usize) -> Vec<i64> {
        let records = self.records.get(&partition).into_iter().flatten();
        records.map(|(offset, _)| *offset).collect()
    }
}

/// Polls until the story is told; a story that does not end fails.
fn read_until(source: &mut KafkaSource, seen: &mut Seen, done: impl Fn(&Seen) -> bool) {
    let start = Instant::now();
    while !done(seen) {
        assert!(
            start.elapsed() < PATIENCE,
            "nothing more comes: {:?} {:?}",
            seen.ends,
            seen.gaps
        );
        source
            .poll(500, TURN, &mut |polled| seen.take(polled))
            .unwrap();
    }
}

/// A reader moves to the thread it will belong to; the embedded broker goes where it is needed.
#[test]
fn reader_and_broker_move_between_threads() {
    fn moves<T: Send>() {}
    moves::<KafkaSource>();
    moves::<EmbeddedBroker>();
}

/// Every partition gives its records from its own position to its end, each once and in order.
#[test]
fn partitions_are_read_from_their_positions() {
    let broker = EmbeddedBroker::start(&[("a", 3), ("b", 2)]).unwrap();
    let mut source = KafkaSource::connect(&options(&broker, &["a", "b"])).unwrap();
    let found = source.discover(PATIENCE).unwrap();
    assert!(found.missing.is_empty());
    assert_eq!(
        found.partitions,
        [at("a", 0), at("a", 1), at("a", 2), at("b", 0), at("b", 1)]
    );
    for partition in &found.partitions {
        fill(&broker, partition, 0..50);
    }
    assert_eq!(source.watermarks(&at("b", 1), PATIENCE).unwrap(), (0, 50));

    let starts: Vec<_> = found
        .partitions
        .iter()
        .cloned()
        .zip([0, 7, 49, 50, 13])
        .collect();
    assert_eq!(source.assign(&starts).unwrap(), [0, 1, 2, 3, 4]);
    let mut seen = Seen::default();
    read_until(&mut source, &mut seen, |seen| seen.ends.len() == 5);
    for (index, (partition, start)) in starts.iter().enumerate() {
        let expected: Vec<_> = (*start..50)
            .map(|offset| (offset, Some(format!("{partition}/{offset}").into_bytes())))
            .collect();
        assert_eq!(
            seen.records.get(&index).cloned().unwrap_or_default(),
            expected
        );
        assert_eq!(seen.ends[&index], 50);
        assert_eq!((source.position(index), source.lag(index)), (50, Some(0)));
    }
    assert!(seen.stamped && seen.gaps.is_empty());
}

/// Two topics have a partition 0 each; the end of one says nothing of the other.
#[test]
fn an_end_belongs_to_one_partition() {
    let broker = EmbeddedBroker::start(&[("a", 1), ("b", 1)]).unwrap();
    fill(&broker, &at("b", 0), 0..10);
    let mut source = KafkaSource::connect(&options(&broker, &["a", "b"])).unwrap();
    source.assign(&[(at("a", 0), 0), (at("b", 0), 0)]).unwrap();
    source.pause(1);
    let mut seen = Seen::default();
    read_until(&mut source, &mut seen, |seen| !seen.ends.is_empty());
    assert_eq!(
        (seen.ends.clone(), seen.count()),
        (BTreeMap::from([(0, 0)]), 0)
    );
    source.resume(1);
    read_until(&mut source, &mut seen, |seen| seen.ends.len() == 2);
    assert_eq!((seen.ends[&1], seen.count()), (10, 10));
}

/// However often partitions are paused and resumed, each record comes once, and none while paused.
#[test]
fn pausing_loses_and_repeats_nothing() {
    let broker = EmbeddedBroker::start(&[("a", 3)]).unwrap();
    let mut source = KafkaSource::connect(&options(&broker, &["a"])).unwrap();
    for number in 0..3 {
        fill(&broker, &at("a", number), 0..1500);
    }
    source
        .assign(&[(at("a", 0), 0), (at("a", 1), 0), (at("a", 2), 0)])
        .unwrap();
    let mut seen = Seen::default();
    let start = Instant::now();
    for turn in 0_usize.. {
        assert!(start.elapsed() < PATIENCE);
        let paused = turn * 7 / 3 % 4;
        for index in 0..3 {
            if index == paused {
                source.pause(index)
            } else {
                source.resume(index)
            }
        }
        let before = seen.records.get(&paused).map_or(0, Vec::len);
        source
            .poll(17, TURN, &mut |polled| seen.take(polled))
            .unwrap();
        assert_eq!(seen.records.get(&paused).map_or(0, Vec::len), before);
        if seen.count() == 4500 && seen.ends.len() == 3 {
            break;
        }
    }
    for index in 0..3 {
        assert_eq!(seen.offsets(index), (0..1500).collect::<Vec<_>>());
    }
}

/// A position that retention has overtaken is said as a gap, and reading goes on behind it.
#[test]
fn retention_is_a_gap_that_is_said() {
    let broker = EmbeddedBroker::start(&[("a", 2)]).unwrap();
    let large = vec![b'x'; 100_000];
    for offset in 0..80 {
        broker
            .produce(&at("a", 0), 1_000 + offset, Some(&large))
            .unwrap();
    }
    fill(&broker, &at("a", 1), 0..3);
    let mut source = KafkaSource::connect(&options(&broker, &["a"])).unwrap();
    let (low, high) = source.watermarks(&at("a", 0), PATIENCE).unwrap();
    assert!(
        0 < low && high == 80,
        "the mock has kept everything from {low}"
    );

    source
        .assign(&[(at("a", 0), 0), (at("a", 1), 900)])
        .unwrap();
    let mut seen = Seen::default();
    read_until(&mut source, &mut seen, |seen| seen.ends.len() == 2);
    seen.gaps.sort_unstable();
    // The second position lies beyond the end: that topic was made anew, and is read whole.
    assert_eq!(seen.gaps, [(0, 0, low), (1, 900, 0)]);
    assert_eq!(seen.offsets(0), (low..80).collect::<Vec<_>>());
    assert_eq!(seen.offsets(1), [0, 1, 2]);
}

/// A list reports what does not exist and creates nothing; a pattern finds what is made later.
#[test]
fn topics_are_found_and_missed() {
    let broker =
        EmbeddedBroker::start(&[("logs-okta", 2), ("other", 1), ("__inner-logs-x", 1)]).unwrap();
    let list = KafkaSource::connect(&options(&broker, &["nothing", "other"])).unwrap();
    for _ in 0..2 {
        let found = list.discover(PATIENCE).unwrap();
        assert_eq!(found.partitions, [at("other", 0)]);
        let said = found.missing[0].to_string();
        assert_eq!(
            said,
            "topic nothing does not exist: create it, or correct kafka.topics"
        );
    }

    let topics = Topics::Pattern(Regex::new("logs-").unwrap());
    let mut source = KafkaSource::connect(&KafkaOptions {
        topics,
        ..options(&broker, &[])
    })
    .unwrap();
    let found = source.discover(PATIENCE).unwrap();
    assert_eq!(found.partitions, [at("logs-okta", 0), at("logs-okta", 1)]);
    source.assign(&[(at("logs-okta", 0), 0)]).unwrap();
    let mut seen = Seen::default();
    read_until(&mut source, &mut seen, |seen| seen.ends.len() == 1);

    broker.create_topic("logs-m365", 1).unwrap();
    fill(&broker, &at("logs-m365", 0), 0..5);
    let found = source.discover(PATIENCE).unwrap();
    assert_eq!(found.partitions[0], at("logs-m365", 0));
    assert_eq!(source.assign(&[(at("logs-m365", 0), 0)]).unwrap(), [1]);
    read_until(&mut source, &mut seen, |seen| {
        seen.ends.len() == 2 && seen.count() == 5
    });
    assert!(source.assign(&[(at("logs-m365", 0), 0)]).is_err());
}

/// A broker that is away at the start or later is trouble, not failure; nothing is lost by it.
#[test]
fn a_broker_that_is_away_comes_back() {
    let broker = EmbeddedBroker::start(&[("a", 1)]).unwrap();
    broker.set_reachable(false).unwrap();
    let address = broker.bootstrap_servers();
    let mut source = KafkaSource::connect(&options(&broker, &["a"])).unwrap();
    let error = source.discover(Duration::from_millis(300)).unwrap_err();
    assert!(
        error.may_pass() && error.to_string().contains(&address),
        "{error}"
    );
    source.assign(&[(at("a", 0), 0)]).unwrap();
    let mut seen = Seen::default();
    read_until(&mut source, &mut seen, |seen| !seen.troubles.is_empty());
    assert!(
        seen.troubles.iter().any(|text| text.contains(&address)),
        "{:?}",
        seen.troubles
    );

    broker.set_reachable(true).unwrap();
    fill(&broker, &at("a", 0), 0..20);
    read_until(&mut source, &mut seen, |seen| {
        seen.ends.len() == 1 && seen.count() == 20
    });
    broker.set_reachable(false).unwrap();
    source
        .poll(500, TURN, &mut |polled| seen.take(polled))
        .unwrap();
    broker.set_reachable(true).unwrap();
    fill(&broker, &at("a", 0), 20..40);
    read_until(&mut source, &mut seen, |seen| seen.count() == 40);
    assert_eq!(seen.offsets(0), (0..40).collect::<Vec<_>>());
    let told: std::collections::BTreeSet<_> = seen.troubles.iter().collect();
    assert_eq!(
        told.len(),
        seen.troubles.len(),
        "the same trouble is told once a minute"
    );
}

/// A reader can be dropped while its broker is away.
#[test]
fn a_reader_ends_without_its_broker() {
    let broker = EmbeddedBroker::start(&[("a", 1)]).unwrap();
    let mut source = KafkaSource::connect(&options(&broker, &["a"])).unwrap();
    source.assign(&[(at("a", 0), 0)]).unwrap();
    let mut seen = Seen::default();
    read_until(&mut source, &mut seen, |seen| seen.ends.len() == 1);
    source.commit(&[(at("a", 0), 0)]);
    broker.set_reachable(false).unwrap();
    source
        .poll(500, TURN, &mut |polled| seen.take(polled))
        .unwrap();
    let start = Instant::now();
    drop(source);
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "took {:?}",
        start.elapsed()
    );
}

/// A partition that does not exist is refused with a sentence.
#[test]
fn an_unknown_partition_is_fatal() {
    let broker = EmbeddedBroker::start(&[("a", 1)]).unwrap();
    let source = KafkaSource::connect(&options(&broker, &["a"])).unwrap();
    let error = source.watermarks(&at("a", 9), PATIENCE).unwrap_err();
    assert!(!error.may_pass());
    assert_eq!(
        error.to_string(),
        "a/9 does not exist on the broker: check kafka.topics"
    );
}

/// A client that is replaced in the middle loses and repeats nothing.
#[test]
fn a_new_client_goes_on_where_the_old_one_was() {
    let broker = EmbeddedBroker::start(&[("a", 2)]).unwrap();
    fill(&broker, &at("a", 0), 0..2000);
    fill(&broker, &at("a", 1), 0..2000);
    let mut source = KafkaSource::connect(&options(&broker, &["a"])).unwrap();
    source.assign(&[(at("a", 0), 0), (at("a", 1), 0)]).unwrap();
    let mut seen = Seen::default();
    for goal in [700, 1400, 2100] {
        read_until(&mut source, &mut seen, |seen| goal <= seen.count());
        source.connect_anew().unwrap();
    }
    read_until(&mut source, &mut seen, |seen| {
        seen.ends.len() == 2 && seen.count() == 4000
    });
    for index in 0..2 {
        assert_eq!(seen.offsets(index), (0..2000).collect::<Vec<_>>());
    }
}

/// A partition that is silent although the broker has more is fetched anew.
#[test]
fn silence_is_checked_against_the_broker() {
    let broker = EmbeddedBroker::start(&[("a", 1)]).unwrap();
    fill(&broker, &at("a", 0), 0..10);
    let mut source = KafkaSource::connect(&options(&broker, &["a"])).unwrap();
    source.assign(&[(at("a", 0), 0)]).unwrap();
    let mut seen = Seen::default();
    read_until(&mut source, &mut seen, |seen| seen.ends.len() == 1);
    // As if the client had never fetched the last five.
    source.assigned[0].position = 5;
    source.quiet = TURN;
    read_until(&mut source, &mut seen, |seen| {
        seen.count() == 15 && seen.ends.len() == 1
    });
    assert_eq!(seen.offsets(0)[10..], [5, 6, 7, 8, 9]);
    assert!(seen.gaps.is_empty() && seen.troubles.is_empty());
}

/// A tombstone has no payload, an empty record an empty one: the decoder tells them apart.
#[test]
fn tombstones_are_not_empty_records() {
    let broker = EmbeddedBroker::start(&[("a", 1)]).unwrap();
    broker.produce(&at("a", 0), 1_000, None).unwrap();
    broker.produce(&at("a", 0), 1_001, Some(b"")).unwrap();
    broker.flush(PATIENCE).unwrap();
    let mut source = KafkaSource::connect(&options(&broker, &["a"])).unwrap();
    source.assign(&[(at("a", 0), 0)]).unwrap();
    let mut seen = Seen::default();
    read_until(&mut source, &mut seen, |seen| seen.ends.len() == 1);
    assert_eq!(seen.records[&0], [(0, None), (1, Some(Vec::new()))]);
}

/// What cannot work is refused when connecting, and a value is never printed.
#[test]
fn bad_options_are_refused_without_their_value() {
    let broker = EmbeddedBroker::start(&[]).unwrap();
    let refused = |name: &str, value: &str| {
        let mut options = options(&broker, &["a"]);
        options.options.insert(name.to_owned(), value.to_owned());
        KafkaSource::connect(&options)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    assert!(refused("group.instance.id", "x").contains("without a consumer group"));
    assert!(refused("fetch.wait.max.msec", "secret").contains("unknown to librdkafka"));
    let said = refused("security.protocol", "secret");
    assert_eq!(
        said,
        "kafka option security.protocol has a value that librdkafka does not take"
    );
}

/// Committed positions can be seen from outside.
#[test]
fn positions_are_shown_to_the_broker() {
    let broker = EmbeddedBroker::start(&[("a", 2)]).unwrap();
    fill(&broker, &at("a", 1), 0..5);
    let mut source = KafkaSource::connect(&options(&broker, &["a"])).unwrap();
    source.assign(&[(at("a", 0), 0), (at("a", 1), 0)]).unwrap();
    let mut seen = Seen::default();
    read_until(&mut source, &mut seen, |seen| seen.ends.len() == 2);
    source.commit(&[(at("a", 1), 4)]);
    let committed = Committed::of(&broker.bootstrap_servers(), "nightjar-test").unwrap();
    let start = Instant::now();
    loop {
        source.poll(500, TURN, &mut |_| ()).unwrap();
        let positions = committed
            .positions(&[at("a", 0), at("a", 1)], PATIENCE)
            .unwrap();
        if positions == BTreeMap::from([(at("a", 1), 4)]) {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{positions:?}");
    }
}

/// The feed holds back what the broker would drop: a slow reader gets every record.
#[test]
fn a_feed_outruns_nobody() {
    let broker = EmbeddedBroker::start(&[("a", 2)]).unwrap();
    let payload = vec![b'x'; 1_000];
    let records = (0..30_000_i64).map(|number| FeedRecord {
        // Most go to one partition, which must not hold up the other.
        partition: at("a", i32::from(number % 10 == 0)),
        timestamp_ms: number,
        payload: Some(payload.clone()),
    });
    let read = std::sync::Mutex::new([0_i64; 2]);
    let options = options(&broker, &["a"]);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut source = KafkaSource::connect(&options).unwrap();
            source.assign(&[(at("a", 0), 0), (at("a", 1), 0)]).unwrap();
            let mut seen = Seen::default();
            while seen.count() < 30_000 {
                read_until(&mut source, &mut seen, |seen| {
                    let before: i64 = read.lock().unwrap().iter().sum();
                    before < seen.count() as i64
                });
                *read.lock().unwrap() = [source.position(0), source.position(1)];
            }
            seen
        });
        let mut feed = Feed::new(&broker, 2 * 1024 * 1024);
        let mut progress = |partition: &Partition| read.lock().unwrap()[partition.number as usize];
        assert_eq!(feed.run(records, &mut progress, &|| true).unwrap(), 30_000);
        let seen = reader.join().unwrap();
        assert!(seen.gaps.is_empty());
        assert_eq!(seen.offsets(0), (0..27_000).collect::<Vec<_>>());
        assert_eq!(seen.offsets(1), (0..3_000).collect::<Vec<_>>());
    });
}
