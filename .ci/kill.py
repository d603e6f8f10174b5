"""Produces samples/ to a real Kafka in arrival order while the service is killed and started again; compares the digests."""

import gzip
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

nightjar, broker, work, kills, seed = sys.argv[1:4] + [int(word) for word in sys.argv[4:6]]
chance = random.Random(seed)
config = Path("samples/nightjar.toml").resolve()
WHEN = re.compile(rb'"(?:published|eventTime|createdDateTime|CreationTime|startTime|time|ts)"\s*:\s*"?([0-9][0-9T:.+Z -]*)')


def event_ms(line):
    text = WHEN.search(line).group(1).decode()
    if text.replace(".", "", 1).isdigit():
        number = float(text)
        return int(number * 1000 if number < 1e11 else number)
    text = re.sub(r"(\.\d{6})\d+", r"\1", text.strip().replace("Z", "+00:00").replace(" ", "T"))
    at = datetime.fromisoformat(text)
    return int((at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp() * 1000)


def digest(text):
    found = re.findall(r"^digest: ([0-9a-f]+)$", text, re.M)
    return found[-1] if found else None


records = []
for path in sorted(Path("samples/logs").glob("*/*.gz")):
    for line in gzip.open(path).read().splitlines():
        # At most 50 minutes late: within the allowed lateness of every class.
        records.append((event_ms(line) + chance.randrange(50 * 60_000), path.parent.name, line))
records.sort()
topics = sorted({topic for _, topic, _ in records})
ages = {"retention.ms": "-1", "message.timestamp.before.max.ms": str(2**62)}
admin = AdminClient({"bootstrap.servers": broker})
for made in admin.create_topics([NewTopic(topic, 4, 1, config=ages) for topic in topics]).values():
    made.result(30)
environment = os.environ | {
    "NIGHTJAR__KAFKA__BROKERS": json.dumps([broker]),
    "NIGHTJAR__KAFKA__TOPICS": json.dumps(topics),
    "NIGHTJAR__STATE__DIR": f"{work}/state",
    "NIGHTJAR__STATE__CHECKPOINT_EVERY": "200ms",
    "NIGHTJAR__ADMISSION__IDLE_AFTER": "never",
    "NIGHTJAR__GRPC__LISTEN": "127.0.0.1:0",
}


def start():
    log = open(f"{work}/run.log", "ab")
    return subprocess.Popen([nightjar, "run", "-c", config], env=environment, stdout=log, stderr=log)


def stored():
    listed = subprocess.run([nightjar, "alerts", "--state", f"{work}/state", "--json", "--muted"], capture_output=True, text=True)
    return sum(line.startswith("{") for line in listed.stdout.splitlines())


def wait(what, happened):
    deadline = time.monotonic() + 60
    while not happened():
        if time.monotonic() > deadline:
            sys.exit(f"kill: waited a minute for {what}; " + Path(f"{work}/run.log").read_text()[-400:])
        time.sleep(0.1)


service = start()
# Its first start must find the topics empty, or what is produced now would be history.
wait("the first start", lambda: "reading" in Path(f"{work}/run.log").read_text())
producer = Producer({"bootstrap.servers": broker, "linger.ms": 5})
moments = set(chance.sample(range(len(records) // 20, len(records)), kills))
for number, (arrival, topic, line) in enumerate(records):
    while True:
        try:
            producer.produce(topic, line, partition=chance.randrange(4), timestamp=arrival)
            break
        except BufferError:
            producer.poll(0.1)
    if number in moments:
        producer.flush(30)
        time.sleep(chance.random() * 2)
        assert service.poll() is None, Path(f"{work}/run.log").read_text()[-400:]
        service.send_signal(signal.SIGKILL)
        service.wait()
        service = start()
assert producer.flush(60) == 0
wait("alerts before the last run", lambda: stored() > 0)
before = stored()
service.send_signal(signal.SIGTERM)
assert service.wait(30) == 0, "SIGTERM did not end it in order"
once = subprocess.run([nightjar, "run", "-c", config, "--once"], env=environment, capture_output=True, text=True)
want, got = Path("samples/digest").read_text().strip(), digest(once.stdout)
print(f"{len(records)} records, {len(topics)} topics, {kills} kills, {before} alerts before the last run: {got}")
if got != want:
    sys.exit(f"kill: the digest is {got}, not {want}; {once.stderr[-400:]}")
