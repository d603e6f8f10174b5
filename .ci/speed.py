"""Catching up on a day beside a backtest of the same events; then the way from an event to its subscriber at half of that rate."""

import itertools
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import median, quantiles

from pour import now_text, pour, workload
from stage import Broker, Service, Subscriber, wait

nightjar, address, work, a_day = sys.argv[1:4] + [int(sys.argv[4])]
PARTITIONS, DAYS, PROBES = 4, 4, 400
broker = Broker(address)
config = Path(work) / "speed.toml"
config.write_text('zone = "Europe/Berlin"\n[sources.stream]\nformat = "nightjar"\n[sources.live]\nformat = "nightjar"\n')


def backtest(*files, save=()):
    began = time.monotonic()
    subprocess.run([nightjar, "backtest", *files, "-c", config, "--quiet", *save], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def files():
    """Four days as a past, and the fifth as a day to be caught up on."""
    lines = workload(nightjar, a_day * 30)
    folder = Path(work) / "stream"
    folder.mkdir()
    for name, days in [("before", DAYS), ("day", 1)]:
        with open(folder / f"{name}.ndjson", "wb") as file:
            file.writelines(line + b"\n" for line in itertools.islice(lines, a_day * days))
    lines.close()
    broker.create(["stream"], PARTITIONS)
    with open(folder / "day.ndjson", "rb") as file:
        pour(broker, "stream", (line.rstrip() for line in file), PARTITIONS)
    return folder


def catch_up(folder):
    """Events a second: in a backtest, and from Kafka on the state of the days before, from the start of the process and at full pace."""
    rates = {"backtest": [], "service": [], "pace": []}
    for run in range(3):
        rates["backtest"].append(a_day * (DAYS + 1) / backtest(folder))
        service = Service(nightjar, broker, config, f"{work}/run-{run}", ["stream"])
        del service.environment["NIGHTJAR__STATE__CHECKPOINT_EVERY"]
        backtest(folder / "before.ndjson", save=("--save-state", str(service.state)))
        began = time.monotonic()
        service.start()
        reached = {}
        for tenths in (2, 9, 10):
            wait("the day to be read", lambda: time.sleep(0.3) or position(service) >= a_day * tenths // 10, 120)
            reached[tenths] = (time.monotonic(), position(service))
        service.stop()
        (early, first), (late, last) = reached[2], reached[9]
        rates["service"].append(a_day / (reached[10][0] - began))
        rates["pace"].append((last - first) / (late - early))
    for name, found in rates.items():
        print(f"{name:9} {median(found):9,.0f} events/s; single runs {[round(rate) for rate in found]}", flush=True)
    print(f"catching up on {a_day} events on {DAYS} days of state: {median(rates['service']) / median(rates['backtest']):.0%} of a backtest's pace from "
          f"the start of the process, {median(rates['pace']) / median(rates['backtest']):.0%} once it reads", flush=True)
    return median(rates["pace"])


def position(service):
    return sum(partition.position for source in service.status().sources for partition in source.partitions)


class Watcher(Subscriber):
    """Notes when an alert comes."""

    def __init__(self, address):
        super().__init__(address)
        self.at = {}

    def take(self, message):
        super().take(message)
        if message.WhichOneof("message") == "alert":
            self.at.setdefault(message.alert.entity.id, time.monotonic())


def latency(a_second):
    """Two logins far apart make an alert at once: from the second's sending to the alert."""
    broker.create(["live"], PARTITIONS)
    service = Service(nightjar, broker, config, f"{work}/live", ["live"], admission__idle_after="5m")
    del service.environment["NIGHTJAR__STATE__CHECKPOINT_EVERY"]
    service.start()
    wait("the first start", service.reads)
    watcher = Watcher(service.address)
    watcher.start()
    seconds = PROBES * 0.05 + 15
    lines = workload(nightjar, int(a_second * seconds))
    load = threading.Thread(target=pour, args=(broker, "live", lines, PARTITIONS, a_second, True), daemon=True)
    load.start()
    time.sleep(10)
    put, sent = broker.producer(linger_ms=0), {}
    for number in range(PROBES):
        user = f"probe{number}@example.com"
        for place, (country, latitude, longitude) in enumerate([("DE", 52.5, 13.4), ("US", 40.7, -74.0)]):
            event = {"time": now_text().decode(), "uid": f"{user} {place}", "activity": "login", "outcome": "success", "user": user, "interactive": True,
                     "ip": f"198.51.100.{place}", "country": country, "city": country, "lat": latitude, "lon": longitude, "device": f"d{place}"}
            sent[user] = time.monotonic()
            put("live", json.dumps(event).encode(), number % PARTITIONS, int(time.time() * 1000))
        put.client.poll(0)
        time.sleep(0.05)
    put.flush()
    wait("every probe's alert", lambda: sent.keys() <= watcher.at.keys(), 20)
    load.join()
    service.stop()
    millis = quantiles([1000 * (watcher.at[user] - at) for user, at in sent.items()], n=100)
    print(f"event to subscriber at {a_second} events a second: p50 {millis[49]:.0f} ms, p99 {millis[98]:.0f} ms")


rate = catch_up(files())
latency(int(rate) // 2)
