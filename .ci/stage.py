"""What the checks against a real Kafka share: the records of samples/, the service as a process, a subscriber that never lets go."""

import atexit
import gzip
import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import grpc
from confluent_kafka import IsolationLevel, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec
from nightjar.v1 import alert_pb2, alert_pb2_grpc, engine_pb2, engine_pb2_grpc

SAMPLES = Path("samples").resolve()
WHEN = re.compile(rb'"(?:published|eventTime|createdDateTime|CreationTime|startTime|timestamp|time|ts)"\s*:\s*"?([0-9][0-9T:.+Z -]*)')
MINUTE_MS = 60_000
# The longest delay of a record: within the allowed lateness of its class.
DELAY_MS = {"m365": 20 * 60 * MINUTE_MS, "nightjar": 20 * 60 * MINUTE_MS, "google": 150 * MINUTE_MS}
COPILOT_DELAY_MS = 70 * 60 * MINUTE_MS
EVERYTHING = alert_pb2.Filter(include_muted=True)
# Timestamps of any age are taken, and nothing is removed for its age.
FOR_EVER = {"retention.ms": "-1", "message.timestamp.before.max.ms": str(2**62), "message.timestamp.after.max.ms": str(2**62)}


class Record:
    """One line of samples/logs: where from, when it happened, when it arrives."""

    def __init__(self, path, line, chance):
        self.source, self.day, self.line = path.parent.name, path.name[:10], line
        self.event_ms = event_ms(line)
        longest = COPILOT_DELAY_MS if b"CopilotInteraction" in line else DELAY_MS.get(self.source, 50 * MINUTE_MS)
        # Most come soon; some take as long as they may.
        self.arrival_ms = self.event_ms + int(longest * chance.random() ** 3)


def event_ms(line):
    text = WHEN.search(line).group(1).decode()
    if text.replace(".", "", 1).isdigit():
        number = float(text)
        return int(number * 1000 if number < 1e11 else number)
    text = re.sub(r"(\.\d{6})\d+", r"\1", text.strip().replace("Z", "+00:00").replace(" ", "T"))
    at = datetime.fromisoformat(text)
    return int((at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp() * 1000)


def records(chance, from_day="", before_day="9"):
    """The records of these days in the order in which they arrive."""
    read = []
    for path in sorted((SAMPLES / "logs").glob("*/*.gz")):
        if from_day <= path.name[:10] < before_day:
            read += [Record(path, line, chance) for line in gzip.open(path).read().splitlines()]
    return sorted(read, key=lambda record: (record.arrival_ms, record.line))


def files_before(day, logs=SAMPLES / "logs"):
    return [str(path) for path in sorted(logs.glob("*/*.gz")) if path.name[:10] < day]


def logs_as(folder, topic_of):
    """samples/logs with a folder for each topic: some detectors speak of sources by their names."""
    for path in (SAMPLES / "logs").glob("*/*.gz"):
        to = Path(folder) / topic_of(path.parent.name) / f"{path.name[:10]}-{path.parent.name}.ndjson.gz"
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, to)
    return Path(folder)


def auto_config(work):
    """samples/nightjar.toml without its sources: every topic's format is guessed record by record."""
    text = (SAMPLES / "nightjar.toml").read_text().split("[sources.")[0]
    path = Path(work) / "auto.toml"
    path.write_text(text.replace('"directory.csv"', json.dumps(str(SAMPLES / "directory.csv"))))
    return path


def digest(text):
    found = re.findall(r"^digest: ([0-9a-f]+)$", text, re.M)
    return found[-1] if found else None


def fail(text):
    sys.exit(f"{Path(sys.argv[0]).stem}: {text}")


def wait(what, happened, seconds=60):
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            fail(f"waited {seconds} s for {what}")
        time.sleep(0.02)


def free_port():
    """Below the ports that clients are given: one that knocks at a closed port of those may be connected to itself."""
    while True:
        port = random.randrange(20000, 30000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


class Broker:
    """Topics and records of one real broker."""

    def __init__(self, address):
        self.address, self.admin = address, AdminClient({"bootstrap.servers": address, "log_level": 2})

    def create(self, topics, partitions, **settings):
        config = FOR_EVER | {name.replace("_", "."): value for name, value in settings.items()}
        made = self.admin.create_topics([NewTopic(topic, partitions, 1, config=config) for topic in topics])
        for future in made.values():
            future.result(30)

    def delete(self, topics):
        for future in self.admin.delete_topics(topics).values():
            future.result(30)
        # The broker forgets a topic a moment after it has said so.
        wait("topics to be deleted", lambda: not set(topics) & set(self.admin.list_topics(timeout=10).topics))

    def end(self, topic):
        """Sum of the ends of its partitions."""
        if topic not in self.admin.list_topics(timeout=10).topics:
            return 0
        numbers = self.admin.list_topics(topic, timeout=10).topics[topic].partitions
        wanted = {TopicPartition(topic, number): OffsetSpec.latest() for number in numbers}
        committed = IsolationLevel.READ_COMMITTED
        return sum(future.result(30).offset for future in self.admin.list_offsets(wanted, isolation_level=committed).values())

    def producer(self, **settings):
        lost = []
        known = {"bootstrap.servers": self.address, "linger.ms": 5, "log_level": 2, "message.max.bytes": 10_000_000}
        known |= {name.replace("_", "."): value for name, value in settings.items()}
        producer = Producer(known | {"on_delivery": lambda error, _: error and lost.append(error)})

        def produce(topic, payload, partition, arrival_ms, key=None):
            while True:
                try:
                    return producer.produce(topic, payload, key=key, partition=partition, timestamp=arrival_ms)
                except BufferError:
                    producer.poll(0.1)

        def flush():
            if producer.flush(60) or lost:
                fail(f"records were not delivered: {lost[:1]}")

        produce.flush, produce.client = flush, producer
        return produce


class Service:
    """`nightjar run` on one state folder."""

    def __init__(self, nightjar, broker, config, work, topics, **settings):
        self.nightjar, self.config, self.work = nightjar, str(config), Path(work)
        self.work.mkdir(parents=True, exist_ok=True)
        self.state, self.log = self.work / "state", self.work / "run.log"
        self.address = f"127.0.0.1:{free_port()}"
        self.process, self.life = None, 0
        self.environment = os.environ | {
            "NIGHTJAR__KAFKA__BROKERS": json.dumps([broker.address]),
            "NIGHTJAR__KAFKA__TOPICS": topics if isinstance(topics, str) else json.dumps(topics),
            "NIGHTJAR__STATE__DIR": str(self.state),
            "NIGHTJAR__STATE__CHECKPOINT_EVERY": "100ms",
            "NIGHTJAR__ADMISSION__IDLE_AFTER": "never",
            "NIGHTJAR__GRPC__LISTEN": self.address,
        } | {f"NIGHTJAR__{name.upper()}": value for name, value in settings.items()}

    def train(self, files):
        command = [self.nightjar, "backtest", *files, "-c", self.config, "--quiet", "--save-state", str(self.state)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def start(self):
        log = open(self.log, "ab")
        self.life = self.log.stat().st_size
        command = [self.nightjar, "run", "-c", self.config]
        self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        # A check that fails leaves nothing running.
        atexit.register(self.process.kill)

    def kill(self):
        if self.process.poll() is not None:
            fail(f"the service ended by itself: {self.said()[-400:]}")
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        # Before it answers it may not have learned yet to end in order.
        self.status()
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(60) != 0:
            fail(f"SIGTERM did not end it in order: {self.said()[-400:]}")

    def once(self):
        """Reads to the present end and closes everything; its digest."""
        done = subprocess.run([self.nightjar, "run", "-c", self.config, "--once"], env=self.environment, capture_output=True, text=True)
        with open(self.log, "a") as log:
            log.write(done.stderr)
        if done.returncode != 0:
            fail(f"run --once failed: {done.stderr[-400:]}")
        return digest(done.stdout)

    def alerts(self):
        """What the state folder holds, by id."""
        command = [self.nightjar, "alerts", "--state", str(self.state), "--json", "--muted"]
        listed = subprocess.run(command, capture_output=True, text=True, check=True)
        return {alert["id"]: alert for alert in map(json.loads, listed.stdout.splitlines())}

    def checkpoint(self):
        """The engine's own part of the last checkpoint: positions, clocks, how far the history is."""
        try:
            with closing(sqlite3.connect(f"file:{self.state}/state.db?mode=ro", uri=True)) as database:
                return database.execute("SELECT bytes FROM engine").fetchone()
        except sqlite3.Error:
            return None

    def said(self):
        return self.log.read_text() if self.log.exists() else ""

    def reads(self):
        return " reading " in self.said()[self.life:]

    def status(self):
        if self.process.poll() is not None:
            fail(f"the service ended by itself: {self.said()[-400:]}")
        with grpc.insecure_channel(self.address) as channel:
            engine = engine_pb2_grpc.EngineServiceStub(channel)
            return engine.GetStatus(engine_pb2.GetStatusRequest(), timeout=10, wait_for_ready=True)

    def unread(self):
        """Records that Kafka still holds for it; None while nothing is known."""
        partitions = [p for source in self.status().sources for p in source.partitions]
        return sum(p.lag for p in partitions) if partitions else None


class Subscriber(threading.Thread):
    """Takes every alert from its last cursor on, again and again, whatever becomes of the service."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address, self.cursor, self.streams = address, 0, 0
        self.newest, self.wrong, self.ended = {}, None, threading.Event()

    def run(self):
        while not self.ended.is_set():
            self.streams += 1
            with grpc.insecure_channel(self.address) as channel:
                service = alert_pb2_grpc.AlertServiceStub(channel)
                try:
                    for message in service.Subscribe(alert_pb2.SubscribeRequest(from_cursor=self.cursor, filter=EVERYTHING)):
                        self.take(message)
                except grpc.RpcError:
                    time.sleep(0.03)

    def take(self, message):
        kind = message.WhichOneof("message")
        if kind == "gap":
            self.wrong = "a gap where nothing was removed"
        if kind != "alert":
            return
        if message.cursor <= self.cursor:
            self.wrong = f"the cursor went back from {self.cursor} to {message.cursor}"
        known = self.newest.get(message.alert.id, 0)
        if message.alert.revision <= known:
            self.wrong = f"revision {message.alert.revision} after {known} of one alert"
        self.newest[message.alert.id], self.cursor = message.alert.revision, message.cursor

    def check(self, final):
        """Every final alert was seen in its last revision, and nothing that is not final."""
        wait("the subscriber to see everything", lambda: self.wrong or max((a["cursor"] for a in final.values()), default=0) <= self.cursor)
        self.ended.set()
        if self.wrong:
            fail(f"the subscriber: {self.wrong}")
        if self.newest != {alert_id: alert["revision"] for alert_id, alert in final.items()}:
            strange = set(self.newest) - set(final)
            fail(f"the subscriber saw {len(self.newest)} alerts, {len(strange)} of them not final; there are {len(final)}")
