"""What the controllers of these tests share: the generated stubs, a channel, errors with their details.

Everything here is what any client in any language has: stubs that a generator made of proto/, and gRPC. Nothing knows of Culvert
what its protos do not say.
"""
import argparse
import importlib
import os
import sys
import time
import unittest

parser = argparse.ArgumentParser()
parser.add_argument("--stubs", required=True, help="folder of what protoc generated")
parser.add_argument("--address", required=True, help="unix:PATH, or ADDRESS:PORT")
parser.add_argument("--files", default="", help="folder with certificates and the access policy")
options, unittest_arguments = parser.parse_known_args()
sys.path.insert(0, options.stubs)

import grpc  # noqa: E402
from google.protobuf import duration_pb2, field_mask_pb2  # noqa: E402
from google.rpc import error_details_pb2, status_pb2  # noqa: E402

FILES = ["access", "config", "daemon", "dialer", "forward", "listener", "observe", "options", "session", "stream", "types"]
# How long a call may take on a machine that has other things to do.
DEADLINE = 30


class Api:
    """All messages of culvert.v1 as attributes, as if they were of one file: api.Listener, api.TRANSPORT_TCP."""

    def __init__(self):
        self.files = [importlib.import_module(f"culvert.v1.{name}_pb2") for name in FILES]
        self.stubs = [importlib.import_module(f"culvert.v1.{name}_pb2_grpc") for name in FILES]

    def __getattr__(self, name):
        for module in self.files + self.stubs:
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(name)

    def methods(self):
        """Every method of every service, as descriptors."""
        for module in self.files:
            for service in module.DESCRIPTOR.services_by_name.values():
                yield from service.methods

    def rules(self, method):
        return method.GetOptions().Extensions[self.method_rules]


api = Api()


class Stubs:
    """The services of one channel: .listeners, .observe, ..."""

    def __init__(self, channel):
        self.channel = channel
        self.listeners = api.ListenerServiceStub(channel)
        self.dialers = api.DialerServiceStub(channel)
        self.forwards = api.ForwardServiceStub(channel)
        self.sessions = api.SessionServiceStub(channel)
        self.observe = api.ObserveServiceStub(channel)
        self.config = api.ConfigServiceStub(channel)
        self.daemon = api.DaemonServiceStub(channel)
        self.access = api.AccessServiceStub(channel)


def seconds(value):
    duration = duration_pb2.Duration()
    duration.FromNanoseconds(int(value * 1e9))
    return duration


def listener(name, bind="127.0.0.1:0", **metadata):
    return api.Listener(metadata=api.Metadata(name=name, **metadata), spec=api.ListenerSpec(transport=api.TRANSPORT_TCP, bind=bind))


def dialer(name, *targets, **metadata):
    return api.Dialer(metadata=api.Metadata(name=name, **metadata), spec=api.DialerSpec(transport=api.TRANSPORT_TCP, targets=targets))


def forward(name, listener_name, **spec):
    return api.Forward(metadata=api.Metadata(name=name), spec=api.ForwardSpec(listener=listener_name, **spec))


def details(error):
    """What a failed call says for programs: {type name: message}. The ErrorInfo is under "ErrorInfo"."""
    found = {}
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        status = status_pb2.Status.FromString(value)
        assert status.code == error.code().value[0] and status.message == error.details(), "the details are of another error"
        for packed in status.details:
            name = packed.TypeName().rsplit(".", 1)[-1]
            assert name not in found, f"{name} twice"
            message = getattr(error_details_pb2, name)()
            assert packed.Unpack(message)
            found[name] = message
    return found


def reason(error):
    info = details(error).get("ErrorInfo")
    return info.reason if info is not None else ""


def empty_call(channel, method):
    """Calls any method with an empty request and gives what the call ended with: None when it was answered, else the error."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    kind = ("stream" if method.client_streaming else "unary") + "_" + ("stream" if method.server_streaming else "unary")
    callable_ = getattr(channel, kind)(path, request_serializer=lambda request: request, response_deserializer=lambda response: response)
    try:
        call = callable_(iter([b""]) if method.client_streaming else b"", timeout=DEADLINE)
        if method.server_streaming:
            next(iter(call), None)
            call.cancel()
    except grpc.RpcError as error:
        return error
    return None


def wait_until(condition, limit=DEADLINE):
    """The first value of condition() that counts as true."""
    deadline = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {limit} s")
        time.sleep(0.05)


class Case(unittest.TestCase):
    def fails(self, code, reason_, call, *arguments, **keywords):
        """The error of a call that fails this way."""
        with self.assertRaises(grpc.RpcError) as caught:
            answer = call(*arguments, timeout=DEADLINE, **keywords)
            for _ in answer if hasattr(answer, "__next__") else ():
                pass
        error = caught.exception
        self.assertEqual((error.code(), reason(error)), (code, reason_), error.details())
        self.assertEqual(details(error)["ErrorInfo"].domain, "culvert")
        return error


def main():
    unittest.main(argv=[sys.argv[0], *unittest_arguments], verbosity=2)


def in_files(name):
    return os.path.join(options.files, name)


__all__ = ["Api", "Case", "DEADLINE", "Stubs", "api", "details", "dialer", "duration_pb2", "empty_call", "field_mask_pb2", "forward", "grpc",
           "in_files", "listener", "main", "options", "reason", "seconds", "wait_until"]
