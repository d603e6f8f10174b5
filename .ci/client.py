"""Subscribes to a running demo, breaks off after every few alerts, resumes from its cursor; at the end the list of alerts
must hold nothing that was not seen, and nothing may have come twice."""

import sys
import time

import grpc
from nightjar.v1 import alert_pb2, alert_pb2_grpc, engine_pb2, engine_pb2_grpc

channel = grpc.insecure_channel(sys.argv[1])
alerts = alert_pb2_grpc.AlertServiceStub(channel)
engine = engine_pb2_grpc.EngineServiceStub(channel)
everything = alert_pb2.Filter(include_muted=True)
deadline = time.monotonic() + 60
cursor, seen, incidents, streams, beats = 0, {}, {}, 0, 0


def records_waiting():
    status = engine.GetStatus(engine_pb2.GetStatusRequest(), timeout=5)
    partitions = [p for source in status.sources for p in source.partitions]
    return sum(p.lag for p in partitions) if partitions else None


quiet = 0
while quiet < 3:
    if time.monotonic() > deadline:
        sys.exit("python: the stream did not come to rest within 60 s")
    stream = alerts.Subscribe(alert_pb2.SubscribeRequest(from_cursor=cursor, filter=everything), timeout=4)
    streams += 1
    taken = 0
    try:
        for message in stream:
            kind = message.WhichOneof("message")
            if kind == "alert":
                assert message.cursor > cursor, "the cursor went back"
                key = (message.alert.id, message.alert.revision)
                assert key not in seen, "an alert came twice"
                seen[key] = message.cursor
                cursor = message.cursor
                taken += 1
                if taken == 7:
                    break
            elif kind == "heartbeat":
                beats += 1
            elif kind == "incident":
                assert message.cursor <= cursor, "an incident is ahead of its alerts"
                incidents[message.incident.id] = message.incident
            else:
                sys.exit("python: a gap where nothing was removed")
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.DEADLINE_EXCEEDED:
            raise
    stream.cancel()
    quiet = quiet + 1 if taken == 0 and records_waiting() == 0 else 0

listed, token = {}, ""
while True:
    page = alerts.ListAlerts(alert_pb2.ListAlertsRequest(filter=everything, page_token=token), timeout=5)
    listed.update({alert.id: alert.revision for alert in page.alerts})
    token = page.next_page_token
    if not token:
        break
newest = {}
for alert_id, revision in seen:
    newest[alert_id] = max(revision, newest.get(alert_id, 0))
assert newest == listed, f"{len(newest)} seen, {len(listed)} listed"
assert listed and beats
for incident in incidents.values():
    now = alerts.GetIncident(alert_pb2.GetIncidentRequest(id=incident.id), timeout=5).incident
    assert incident == now, "an incident is not told in its last form"
assert incidents and all(incident.story and incident.summary for incident in incidents.values())
print(f"{len(listed)} alerts and {len(incidents)} incidents over {streams} subscriptions, none missed, none twice")
