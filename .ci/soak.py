"""Pours the generator's stream of events (thirty days, 256 bytes each) into Kafka at half of what the service can read; every ten
seconds notes memory, lag and the sizes of files, and judges them at the end."""

import sys
import threading
import time
from pathlib import Path
from statistics import median

from pour import pour, users_of, workload
from stage import Broker, Service, fail, wait

nightjar, address, work, minutes, rate = sys.argv[1:4] + [float(sys.argv[4]), int(sys.argv[5])]
PARTITIONS = 4
TRIAL_EVENTS = 2_000_000
EVERY_S = 10
# What may be more in the last third than in the second: a tenth, and what a few pages make.
GROWTH, SLACK = 1.10, 16 << 20
broker = Broker(address)


def service_of(topic):
    config = Path(work) / f"{topic}.toml"
    config.write_text(f'zone = "Europe/Berlin"\n[sources.{topic}]\nformat = "nightjar"\n')
    return Service(nightjar, broker, config, f"{work}/{topic}-run", [topic], state__checkpoint_every="10s")


def position(service):
    return sum(partition.position for source in service.status().sources for partition in source.partitions)


def top_rate():
    """Events a second that the service reads when all of them lie there."""
    broker.create(["trial"], PARTITIONS)
    service = service_of("trial")
    # Its first start finds the topic empty, or this would be history.
    service.start()
    wait("the first start", service.reads)
    service.stop()
    pour(broker, "trial", workload(nightjar, TRIAL_EVENTS), PARTITIONS)
    service.start()
    wait("the trial to begin", lambda: position(service) > TRIAL_EVENTS // 10, 120)
    began, first = time.monotonic(), position(service)
    wait("the trial to end", lambda: position(service) >= TRIAL_EVENTS * 9 // 10, 120)
    a_second = (position(service) - first) / (time.monotonic() - began)
    service.stop()
    broker.delete(["trial"])
    return int(a_second)


def rss(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) << 10


def sizes(service):
    names = ["state.db", "state.db-wal", "alerts.db", "alerts.db-wal"]
    found = {name: service.state / name for name in names}
    return [path.stat().st_size if path.exists() else 0 for path in found.values()]


def thirds(values):
    third = len(values) // 3
    return median(values[third:2 * third]), median(values[-third:])


def main():
    top = 0 if rate else top_rate()
    a_second = rate or top // 2
    count = int(a_second * minutes * 60)
    print(f"top rate {top or 'not measured'}; {count} events of {users_of(count)} users at {a_second} a second for {minutes:g} minutes", flush=True)
    # What was read goes, so that the broker's files are bounded too.
    broker.create(["stream"], PARTITIONS, retention_bytes=256 << 20, compression_type="producer")
    service = service_of("stream")
    service.start()
    wait("the first start", service.reads)
    pouring = threading.Thread(target=pour, args=(broker, "stream", workload(nightjar, count), PARTITIONS, a_second), daemon=True)
    pouring.start()
    samples = []
    print(f"{'s':>5} {'read':>11} {'lag':>9} {'rss MiB':>8} {'state':>8} {'wal':>7} {'alerts':>8} {'wal':>7}  MiB")
    started = time.monotonic()
    while pouring.is_alive():
        pouring.join(EVERY_S)
        sample = [position(service), service.unread() or 0, rss(service.process.pid), *sizes(service)]
        samples.append(sample)
        mebibytes = " ".join(f"{value / 2**20:8.1f}" for value in sample[2:])
        print(f"{time.monotonic() - started:5.0f} {sample[0]:11} {sample[1]:9} {mebibytes}", flush=True)
    wait("the rest to be read", lambda: position(service) >= broker.end("stream") and service.unread() == 0, 30)
    lost = [alert["summary"] for alert in service.alerts().values() if alert["class"] == "health"]
    service.stop()
    problems = [f"told: {summary}" for summary in lost]
    for place, name in [(2, "memory"), (3, "state.db"), (4, "its WAL"), (6, "the WAL of alerts.db")]:
        earlier, later = thirds([sample[place] for sample in samples])
        if later > earlier * GROWTH + SLACK:
            problems.append(f"{name} grows: {earlier / 2**20:.0f} MiB in the second third, {later / 2**20:.0f} MiB in the last")
    behind = median(sample[1] for sample in samples)
    if behind > 10 * a_second:
        problems.append(f"it falls behind: {behind:.0f} records at the median")
    if problems:
        fail("; ".join(problems))
    print("memory flat, lag 0 at the end, files bounded")


main()
