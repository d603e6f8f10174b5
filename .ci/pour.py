"""The generator's stream of events into a topic, at any pace."""

import subprocess
import time
from datetime import datetime, timezone
from pathlib import Path

from stage import event_ms

# A hundred events a day and user, over thirty days.
EVENTS_OF_A_USER = 100 * 30


def users_of(count):
    return max(count // EVENTS_OF_A_USER, 100)


def workload(nightjar, count):
    """Lines of 256 bytes, thirty days in ascending time."""
    command = [str(Path(nightjar).parent / "examples/workload"), str(users_of(count)), str(count)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=1 << 20)
    try:
        for line in process.stdout:
            yield line[:-1]
    finally:
        process.kill()


def now_text():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ").encode()


def pour(broker, topic, lines, partitions, a_second=None, are_of_now=False):
    """Times ascend, so that the stamp of one in five hundred is as good as that of each."""
    put = broker.producer(compression_type="lz4", linger_ms=20, queue_buffering_max_messages=500_000, batch_num_messages=10_000)
    started, stamp_ms, now = time.monotonic(), 0, b""
    for number, line in enumerate(lines):
        if number % 500 == 0:
            put.client.poll(0)
            now = now_text()
            stamp_ms = int(time.time() * 1000) if are_of_now else event_ms(line)
            if a_second:
                time.sleep(max(0.0, started + number / a_second - time.monotonic()))
        if are_of_now:
            line = b'{"time":"' + now + line[29:]
        put(topic, line, number % partitions, stamp_ms)
    put.flush()
