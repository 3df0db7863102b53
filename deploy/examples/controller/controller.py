#!/usr/bin/env python3
"""Keeps a tunnel in place for as long as this program runs, and tells what becomes of it.

usage: controller.py ADDRESS [SECONDS]     unix:/run/culvertd/control.sock; for how long, else until it is stopped
README.md says how the stubs are made.
"""
import sys
import time

# [readme
import grpc
from culvert.v1 import config_pb2, config_pb2_grpc, observe_pb2, observe_pb2_grpc

ROUND = 10  # seconds


def tunnel():
    """What is to be there. The lease is renewed with every apply, so that nothing outlives this program for long."""
    def meta(name):
        return {"name": name, "labels": {"app": "orders"}, "ttl": {"seconds": 3 * ROUND}}

    return config_pb2.ApplyRequest(manager="orders", prune=True, objects=[
        {"listener": {"metadata": meta("orders-pg"), "spec": {"transport": "TRANSPORT_TCP", "bind": "127.0.0.1:15432"}}},
        {"dialer": {"metadata": meta("site-b"), "spec": {"transport": "TRANSPORT_QUIC", "targets": ["site-b.example:4433"], "tls": {}}}},
        {"forward": {"metadata": meta("orders-pg"), "spec": {"listener": "orders-pg", "dialer": "site-b"}}}])


def keep(channel, until):
    config, observe = config_pb2_grpc.ConfigServiceStub(channel), observe_pb2_grpc.ObserveServiceStub(channel)
    revision = 0
    while time.monotonic() < until:
        try:
            config.Apply(tunnel(), timeout=ROUND)  # makes it, puts right what somebody changed, renews the lease
            watch = observe_pb2.WatchRequest(filter="metadata.manager=orders", resume_revision=revision)
            for message in observe.Watch(watch, timeout=ROUND):
                revision = message.revision
                if message.HasField("change"):
                    tell(message.change)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.OUT_OF_RANGE:
                revision = 0  # of another run of the daemon, or too long ago
            elif error.code() == grpc.StatusCode.UNAVAILABLE:
                time.sleep(1)  # the daemon is away, or on its way back
            elif error.code() != grpc.StatusCode.DEADLINE_EXCEEDED:
                raise
# readme]


def tell(change):
    kind = change.object.WhichOneof("kind")
    subject = getattr(change.object, kind)
    state = subject.status.DESCRIPTOR.fields_by_name["state"].enum_type.values_by_number[subject.status.state].name
    print(f"{change.Type.Name(change.type)[len('TYPE_'):]:8} {kind}/{subject.metadata.name} {state[len('STATE_'):]}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    with grpc.insecure_channel(sys.argv[1]) as to_daemon:
        keep(to_daemon, time.monotonic() + float(sys.argv[2]) if len(sys.argv) == 3 else float("inf"))
