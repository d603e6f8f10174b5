"""The service is killed (SIGKILL) at random moments, over and over, in four layouts of the samples' records; each must end with
the digest of a backtest, and a subscriber that resumes from its cursor must have seen exactly the final alerts."""

import random
import subprocess
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path

from stage import SAMPLES, Broker, Service, Subscriber, auto_config, digest, fail, files_before, logs_as, records, wait

nightjar, address, work, kills, seed = sys.argv[1:4] + [int(word) for word in sys.argv[4:6]]
# The 25 days before are the trained state.
FIRST_LIVE_DAY = "2026-03-27"
GROUPS = {"okta": "logins", "entra": "logins", "m365": "files", "google": "files", "nightjar": "files"}
Layout = namedtuple("Layout", "name partitions config topic_of is_history")
broker, auto = Broker(address), auto_config(work)
LAYOUTS = [
    Layout("eight topics", 4, SAMPLES / "nightjar.toml", lambda source: source, False),
    Layout("three topics", 4, auto, lambda source: GROUPS.get(source, "rest"), False),
    Layout("one topic", 7, auto, lambda source: "all", False),
    Layout("history", 4, auto, lambda source: f"old-{source}", True),
]


def play(layout, kills, chance):
    live = records(chance, "" if layout.is_history else FIRST_LIVE_DAY)
    topics = sorted({layout.topic_of(record.source) for record in live})
    logs = logs_as(f"{work}/logs-{layout.name.replace(' ', '-')}", layout.topic_of)
    service = Service(nightjar, broker, layout.config, f"{work}/{layout.name.replace(' ', '-')}", topics)
    broker.create(topics, layout.partitions, message_timestamp_type="LogAppendTime" if layout.is_history else "CreateTime")
    subscriber = Subscriber(service.address)
    tap = Tap(len(live) if layout.is_history else len(live) // (kills + 1))
    producing = threading.Thread(target=produce, args=(layout, live, chance.random(), tap), daemon=True)
    if layout.is_history:
        chance.shuffle(live)
        producing.start()
        producing.join()
    else:
        service.train(files_before(FIRST_LIVE_DAY, logs))
    subscriber.start()
    service.start()
    if not layout.is_history:
        producing.start()
    lives = 0
    for _ in range(kills):
        before = service.checkpoint()
        # Most are killed at work, some while they start.
        if chance.random() < 0.9:
            wait("the service to read", service.reads)
        time.sleep(chance.uniform(0.05, 2.5 if layout.is_history else 1.6))
        service.kill()
        lives += before != service.checkpoint()
        tap.lives += 1
        service.start()
    tap.lives = 2**30
    producing.join()
    service.stop()
    before, got = len(service.alerts()), service.once()
    backtest = [nightjar, "backtest", logs, "-c", layout.config, "--quiet"]
    want = digest(subprocess.run(backtest, capture_output=True, text=True, check=True).stdout)
    print(f"{layout.name}: {len(live)} records, {layout.partitions} partitions, {kills} kills, {lives} lives left a checkpoint, "
          f"{before} before the last: {got}", flush=True)
    if got != want:
        fail(f"{layout.name}: the digest is {got}, not {want}: seed {seed}")
    final = service.alerts()
    service.start()
    subscriber.check(final)
    service.stop()
    print(f"{layout.name}: a subscriber saw {len(final)} alerts over {subscriber.streams} streams, each in its last revision, no other", flush=True)


class Tap:
    """Lets each life have its share of the records."""

    def __init__(self, share):
        self.share, self.lives = share, 1

    def wait(self, number):
        while number > self.lives * self.share:
            time.sleep(0.01)


def produce(layout, live, seed, tap):
    chance, put = random.Random(seed), broker.producer()
    for number, record in enumerate(live):
        put(layout.topic_of(record.source), record.line, chance.randrange(layout.partitions), record.arrival_ms)
        if not layout.is_history and number % 50 == 0:
            tap.wait(number)
            put.client.poll(0)
            # A share takes about a second.
            time.sleep(50 / max(tap.share, 50))
    put.flush()


chance = random.Random(seed)
for number, layout in enumerate(LAYOUTS):
    share = kills // len(LAYOUTS) + (number < kills % len(LAYOUTS))
    play(layout, share, chance)
