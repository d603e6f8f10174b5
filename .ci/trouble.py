"""Stories of trouble on a real Kafka. In each the last ten days of samples/ come live on a state trained on the 25 before; the digest
must be that of a backtest of what could be read, and what could not be seen must be told by health alerts, and by no others."""

import random
import subprocess
import sys
import time
from pathlib import Path

from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewPartitions
from stage import Broker, Service, auto_config, digest, fail, files_before, logs_as, records, wait

nightjar, address, work, seed = sys.argv[1:4] + [int(sys.argv[4])]
wanted = sys.argv[5:]
FIRST_LIVE_DAY = "2026-03-27"
PARTITIONS = 3
broker, auto = Broker(address), auto_config(work)


class Story:
    """Topics of its own, a trained state, and the records that come live."""

    def __init__(self, name, **settings):
        self.name, self.prefix = name.replace("_", " "), name.replace("_", "-")
        self.chance = random.Random(f"{seed} {name}")
        self.live = records(self.chance, FIRST_LIVE_DAY)
        self.topics = sorted({self.topic(record) for record in self.live})
        self.lost, self.half = [], len(self.live) // 2
        broker.create(self.topics, PARTITIONS, **settings)
        self.put = broker.producer()
        self.service = Service(nightjar, broker, auto, f"{work}/{self.prefix}", self.topics)
        logs = logs_as(f"{work}/{self.prefix}-logs", self.topic_of)
        self.trained = files_before(FIRST_LIVE_DAY, logs)
        self.service.train(self.trained)

    def topic_of(self, source):
        return f"{self.prefix}-{source}"

    def topic(self, record):
        return self.topic_of(record.source)

    def produce(self, live, partitions=PARTITIONS, put=None):
        put = put or self.put
        for record in live:
            put(self.topic(record), record.line, self.chance.randrange(partitions), record.arrival_ms)
        put.flush()

    def until_read(self):
        wait(f"{self.name}: everything to be read", lambda: self.service.unread() == 0 and self.read() >= self.sent)

    def read(self):
        return sum(partition.position for source in self.service.status().sources for partition in source.partitions)

    @property
    def sent(self):
        return sum(broker.end(topic) for topic in self.topics)

    def health(self):
        return sorted((alert["detector"], alert["entity"]["id"].removeprefix(f"{self.prefix}-"))
                      for alert in self.service.alerts().values() if alert["class"] == "health")

    def end(self, expected=(), only_trained=False):
        if self.service.process:
            self.service.stop()
        got = self.service.once()
        folder = Path(work) / f"{self.prefix}-files"
        for number, record in enumerate(self.live):
            if number not in self.lost and not only_trained:
                with open(folder_of(folder, self.topic(record)) / "live.ndjson", "ab") as file:
                    file.write(record.line + b"\n")
        files = self.trained + [str(path) for path in folder.glob("*/*.ndjson")]
        backtest = subprocess.run([nightjar, "backtest", *files, "-c", auto, "--quiet"], capture_output=True, text=True, check=True)
        want, health = digest(backtest.stdout), self.health()
        if got != want:
            fail(f"{self.name}: the digest is {got}, not {want}")
        if health != sorted(expected):
            fail(f"{self.name}: told {health}, not {sorted(expected)}")
        told = ", ".join(f"{name} of {source}" for name, source in health) or "nothing"
        print(f"{self.name}: {got}; told {told}", flush=True)


def folder_of(folder, source):
    (folder / source).mkdir(parents=True, exist_ok=True)
    return folder / source


def broker_killed():
    """The broker dies and comes back while the service runs on."""
    story = Story("broker_killed")
    story.service.start()
    story.produce(story.live[:story.half])
    for command in ("kill", "start"):
        subprocess.run([".ci/kafka", command, f"{work}/broker"], check=True, stdout=subprocess.DEVNULL)
        time.sleep(1)
    story.produce(story.live[story.half:])
    story.until_read()
    story.end()


def records_removed():
    """Retention removes what was not read yet: the gap is told, and reading goes on behind it."""
    story = Story("records_removed")
    topic, quarter = "records-removed-litellm", len(story.live) // 4
    story.service.start()
    story.produce(story.live[:quarter])
    story.until_read()
    story.service.stop()
    # Of what comes meanwhile, one partition of one topic is lost.
    for number, record in enumerate(story.live[quarter:story.half], quarter):
        is_lost = story.topic(record) == topic and story.chance.random() < 0.4
        if is_lost:
            story.lost.append(number)
        story.put(story.topic(record), record.line, 0 if is_lost else story.chance.randrange(1, PARTITIONS), record.arrival_ms)
    story.put.flush()
    for future in broker.admin.delete_records([TopicPartition(topic, 0, -1)]).values():
        future.result(30)
    story.service.start()
    story.produce(story.live[story.half:])
    story.until_read()
    story.end([("records_lost", "litellm")])


def partitions_added():
    """Partitions are added while the service runs."""
    story = Story("partitions_added")
    story.service.start()
    story.produce(story.live[:story.half])
    for future in broker.admin.create_partitions([NewPartitions(topic, PARTITIONS + 2) for topic in story.topics]).values():
        future.result(30)
    count = (PARTITIONS + 2) * len(story.topics)
    wait("the new partitions", lambda: sum(len(source.partitions) for source in story.service.status().sources) == count)
    story.produce(story.live[story.half:], PARTITIONS + 2, broker.producer())
    story.until_read()
    story.end()


def topic_made_anew():
    """A topic is deleted: the others' days go on. It is made again: it is read from its beginning."""
    story = Story("topic_made_anew")
    topic, mark = "topic-made-anew-litellm", len(story.live) // 4
    story.service.start()
    story.produce(story.live[:mark])
    story.until_read()
    broker.delete([topic])
    rest = [record for record in story.live[mark:] if record.source != "litellm"]
    wait("the loss to be told", lambda: story.health() == [("topic_gone", "litellm")])
    before = min(detector.sealed_day for detector in story.service.status().detectors)
    story.produce(rest)
    wait("the days to go on", lambda: before < min(detector.sealed_day for detector in story.service.status().detectors))
    # What the topic would have held is too late by now, and its days are closed.
    story.lost = [number for number, record in enumerate(story.live) if mark <= number and record.source == "litellm"]
    broker.create([topic], PARTITIONS)
    wait("the new topic to be told", lambda: ("topic_made_anew", "litellm") in story.health())
    story.produce([story.live[number] for number in story.lost[:100]], put=afresh())
    story.until_read()
    late = next(source.late for source in story.service.status().sources if source.source == topic)
    if late != 100:
        fail(f"{story.name}: {late} of 100 records came after their days were closed")
    story.end([("topic_gone", "litellm"), ("topic_made_anew", "litellm")])


def afresh():
    """A producer that never met the old topic: refused and sent again, records would change their order on the way."""
    return broker.producer(enable_idempotence=True)


def made_anew_meanwhile():
    """The same while the service is down, and nothing is lost of what the new topic holds."""
    story = Story("made_anew_meanwhile")
    topic = "made-anew-meanwhile-litellm"
    story.service.start()
    story.produce(story.live[:story.half])
    story.until_read()
    story.service.stop()
    broker.delete([topic])
    broker.create([topic], PARTITIONS)
    some = story.live[story.half:story.half + 500]
    put = afresh()
    story.produce(some, put=put)
    story.service.start()
    story.produce(story.live[story.half + 500:], put=put)
    story.until_read()
    story.end([("topic_made_anew", "litellm")])


def made_anew_longer():
    """Made again while the service is down, it holds more than was read of the old one: only its id tells."""
    story = Story("made_anew_longer")
    topic, mark = "made-anew-longer-litellm", len(story.live) // 5
    story.service.start()
    story.produce(story.live[:mark])
    story.until_read()
    story.service.stop()
    read = broker.end(topic)
    broker.delete([topic])
    broker.create([topic], PARTITIONS)
    story.produce(story.live[mark:], put=afresh())
    held, sent = broker.end(topic), sum(story.topic(record) == topic for record in story.live[mark:])
    if held != sent or held <= 2 * read:
        fail(f"{story.name}: the new topic holds {held} of {sent} records, the old one held {read}")
    story.service.start()
    story.until_read()
    story.end([("topic_made_anew", "litellm")])


def compacted():
    """Older values of a key are no events, tombstones are set aside, and the holes that compaction leaves hold up nobody."""
    gone = 0
    story = Story("compacted", cleanup_policy="compact", segment_ms=43_200_000, min_cleanable_dirty_ratio=0.01)
    for number, record in enumerate(story.live):
        topic, partition, key = story.topic(record), number % PARTITIONS, f"{number}"
        for _ in range(2 if story.chance.random() < 0.3 else 1):
            story.put(topic, record.line, partition, record.arrival_ms, key)
        if story.chance.random() < 0.1:
            story.put(topic, None, partition, record.arrival_ms, f"gone {number}")
            gone += 1
    story.put.flush()
    time.sleep(3)
    story.service.start()
    story.until_read()
    sources = story.service.status().sources
    read, quarantined = sum(source.records for source in sources), sum(source.quarantined for source in sources)
    if gone < quarantined or story.sent <= read:
        fail(f"{story.name}: {read} of {story.sent} records read, {quarantined} set aside")
    story.end()


def aborted_transactions():
    """What a transaction takes back is never seen, and one that stays open holds up only what comes behind it."""
    story = Story("aborted_transactions")
    put = broker.producer(transactional_id="forwarder", linger_ms=1)
    put.client.init_transactions(30)
    story.service.start()
    size = len(story.live) // 20
    for start in range(0, len(story.live), size):
        put.client.begin_transaction()
        forged = [record for record in story.live[start:start + size] if record.source == "litellm"]
        for record in forged:
            put(story.topic(record), record.line.replace(b"@", b"@not-"), story.chance.randrange(PARTITIONS), record.arrival_ms)
        put.flush()
        put.client.abort_transaction(30)
        put.client.begin_transaction()
        story.produce(story.live[start:start + size], put=put)
        put.client.commit_transaction(30)
    story.until_read()
    put.client.begin_transaction()
    put(story.topics[0], b"{}", 0, story.live[-1].arrival_ms)
    put.flush()
    story.end()
    put.client.abort_transaction(30)


def append_time():
    """A broker's own timestamps are believed: what happened months ago comes too late, is counted and learned by nobody."""
    story = Story("append_time", message_timestamp_type="LogAppendTime")
    story.service.start()
    story.produce(story.live)
    story.until_read()
    sources = story.service.status().sources
    late, others = sum(source.late for source in sources), sum(source.rows + source.quarantined for source in sources)
    if others or not late:
        fail(f"{story.name}: {late} rows late, {others} not")
    story.end(only_trained=True)


STORIES = [broker_killed, records_removed, partitions_added, topic_made_anew, made_anew_meanwhile, made_anew_longer, compacted, aborted_transactions, append_time]
for story in STORIES:
    if not wanted or story.__name__ in wanted:
        story()
