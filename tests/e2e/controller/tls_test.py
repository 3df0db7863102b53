"""culvertd driven over TCP, where a certificate says who calls.

The wrapper (controller_test.cc) made the files, for each class of this file anew: ca.crt vouches for server, operator, viewer, denied,
stranger and impostor, who has the operator's name where others have a host's or a person's (.crt and .key), other-ca.crt for alien; server is what the daemon shows, renewed another one for the same address; policy.yaml is
the access policy in force, deploy/examples/access/policy.yaml to begin with.
"""
import os
import shutil
import socket
import ssl
import threading

from calls import *  # noqa: F403

OPERATOR = "spiffe://fleet.example/ns/ops/sa/controller"
VIEWER = "spiffe://fleet.example/ns/ops/sa/dashboard"
DENIED = "spiffe://fleet.example/ns/lab/sa/controller"
STRANGER = "spiffe://elsewhere.example/ns/ops/sa/controller"
# Certificates and the policy are looked at every few seconds.
LOOK_LIMIT = 60


def content(name):
    with open(in_files(name), "rb") as file:
        return file.read()


def replace(name, text):
    """Makes it the content of the file, all at once."""
    fresh = in_files(name + ".new")
    with open(fresh, "wb") as file:
        file.write(text)
    os.chmod(fresh, 0o600)
    os.rename(fresh, in_files(name))


def policy(**rules):
    lines = ["rules:"] + [f"- {{{'deny: true' if role == 'DENY' else 'role: ' + role}, principals: ['{principal}']}}"
                          for role, principal in ((role.split("_")[0], principal) for role, principal in rules.items())]
    return ("\n".join(lines) + "\n").encode()


class OverTcp(Case):
    def channel(self, who, trust="ca.crt"):
        """One with a connection of its own."""
        pair = {} if who is None else {"private_key": content(who + ".key"), "certificate_chain": content(who + ".crt")}
        credentials = grpc.ssl_channel_credentials(root_certificates=content(trust), **pair)
        channel = grpc.secure_channel(options.address, credentials, options=[("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)])
        self.addCleanup(channel.close)
        return channel

    def culvert(self, who):
        return Stubs(self.channel(who))

    def who(self, culvert):
        return culvert.access.WhoAmI(api.WhoAmIRequest(), timeout=DEADLINE)

    def unreachable(self, channel):
        for method in api.methods():
            error = empty_call(channel, method)
            self.assertIsNotNone(error, f"{method.full_name} was answered")
            self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE, method.full_name)


class Roles(OverTcp):
    def test_an_operator_works(self):
        culvert = self.culvert("operator")
        who = self.who(culvert)
        self.assertEqual(who.principals[0], OPERATOR)
        self.assertEqual((who.role, who.channel), (api.ROLE_OPERATOR, api.CONTROL_CHANNEL_TLS))
        allowed = set(culvert.access.TestPermissions(api.TestPermissionsRequest(), timeout=DEADLINE).allowed)
        self.assertEqual(allowed, {f"{method.containing_service.full_name}/{method.name}" for method in api.methods()
                                   if api.rules(method).role in (api.ROLE_VIEWER, api.ROLE_OPERATOR)})
        made = culvert.listeners.CreateListener(api.CreateListenerRequest(listener=listener("over-tcp")), timeout=DEADLINE)
        self.assertEqual(made.listener.metadata.manager, "api")
        watch = culvert.observe.Watch(api.WatchRequest(), timeout=DEADLINE)
        self.assertEqual(next(watch).change.object.listener.metadata.name, "over-tcp")
        watch.cancel()
        culvert.listeners.DeleteListener(api.DeleteListenerRequest(name="over-tcp"), timeout=DEADLINE)

    def test_a_viewer_looks_and_changes_nothing(self):
        culvert = self.culvert("viewer")
        self.assertEqual((self.who(culvert).principals[0], self.who(culvert).role), (VIEWER, api.ROLE_VIEWER))
        culvert.listeners.ListListeners(api.ListListenersRequest(), timeout=DEADLINE)
        error = self.fails(grpc.StatusCode.PERMISSION_DENIED, "ROLE_REQUIRED", culvert.listeners.CreateListener,
                           api.CreateListenerRequest(listener=listener("never")))
        self.assertEqual(details(error)["ErrorInfo"].metadata["required_role"], "operator")
        self.assertEqual(details(error)["ErrorInfo"].metadata["principal"], VIEWER)
        refused = 0
        for method in api.methods():
            with self.subTest(method.full_name):
                error = empty_call(culvert.channel, method)
                if api.rules(method).role == api.ROLE_VIEWER:
                    self.assertTrue(error is None or error.code() != grpc.StatusCode.PERMISSION_DENIED)
                    continue
                refused += 1
                self.assertEqual((error.code(), reason(error)), (grpc.StatusCode.PERMISSION_DENIED, "ROLE_REQUIRED"))
        self.assertGreaterEqual(refused, 14)

    def test_who_no_rule_names_gets_nothing(self):
        for who in ("stranger", "denied", "impostor"):
            channel = self.channel(who)
            for method in api.methods():
                with self.subTest(f"{method.full_name} by {who}"):
                    error = empty_call(channel, method)
                    self.assertIsNotNone(error, "it was answered")
                    self.assertIn(error.code(), (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED))
                    self.assertIn(reason(error), ("ROLE_REQUIRED", "NO_CLIENT_IDENTITY"))

    def test_without_a_certificate_of_ours_there_is_no_connection(self):
        self.unreachable(self.channel(None))
        self.unreachable(self.channel("alien"))
        # Nor does a client take a server for ours that is not.
        self.unreachable(self.channel("operator", trust="other-ca.crt"))

    def test_without_tls_there_is_no_connection(self):
        channel = grpc.insecure_channel(options.address)
        self.addCleanup(channel.close)
        self.assertEqual(empty_call(channel, next(api.methods())).code(), grpc.StatusCode.UNAVAILABLE)

    def test_stock_services_are_not_for_everybody(self):
        """Reflection comes with --control-reflection, and channelz, which tells of other callers, not at all."""
        for path in ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "/grpc.channelz.v1.Channelz/GetServers"):
            for who, code in (("operator", grpc.StatusCode.UNIMPLEMENTED), ("stranger", grpc.StatusCode.PERMISSION_DENIED)):
                with self.subTest(f"{path} by {who}"), self.assertRaises(grpc.RpcError) as caught:
                    self.channel(who).unary_unary(path)(b"", timeout=DEADLINE)
                with self.subTest(f"{path} by {who}"):
                    self.assertEqual(caught.exception.code(), code)


class Renewals(OverTcp):
    def shown(self):
        """The serial number of the certificate that a new connection is shown."""
        context = ssl.create_default_context(cafile=in_files("ca.crt"))
        context.load_cert_chain(in_files("operator.crt"), in_files("operator.key"))
        context.set_alpn_protocols(["h2"])
        host, port = options.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), DEADLINE) as plain, context.wrap_socket(plain, server_hostname=host) as wrapped:
            return wrapped.getpeercert()["serialNumber"]

    def test_a_renewed_server_certificate_is_picked_up(self):
        before = self.shown()
        there = self.culvert("operator")
        self.who(there)
        replace("server.key", content("renewed.key"))
        replace("server.crt", content("renewed.crt"))
        wait_until(lambda: self.shown() != before, limit=LOOK_LIMIT)
        self.assertEqual(self.who(self.culvert("operator")).role, api.ROLE_OPERATOR)
        self.assertEqual(self.who(there).role, api.ROLE_OPERATOR, "a connection that was there goes on")

    def test_authorities_that_vouch_for_clients_are_too(self):
        self.assertIsNotNone(empty_call(self.channel("alien"), next(api.methods())))
        trust = content("ca.crt")
        replace("trust.crt", trust + content("other-ca.crt"))
        # Nobody names it in the policy; but it is let in so far that it is told so.
        wait_until(lambda: empty_call(self.channel("alien"), next(api.methods())).code() == grpc.StatusCode.PERMISSION_DENIED, limit=LOOK_LIMIT)
        replace("trust.crt", trust)
        wait_until(lambda: empty_call(self.channel("alien"), next(api.methods())).code() == grpc.StatusCode.UNAVAILABLE, limit=LOOK_LIMIT)


class Policies(OverTcp):
    def role(self, culvert):
        try:
            return self.who(culvert).role
        except grpc.RpcError as error:
            self.assertEqual((error.code(), reason(error)), (grpc.StatusCode.PERMISSION_DENIED, "ROLE_REQUIRED"))
            return api.ROLE_UNSPECIFIED

    def test_a_changed_policy_counts_for_connections_that_are_there(self):
        viewer, operator = self.culvert("viewer"), self.culvert("operator")
        self.assertEqual((self.role(viewer), self.role(operator)), (api.ROLE_VIEWER, api.ROLE_OPERATOR))
        replace("policy.yaml", policy(OPERATOR=VIEWER, VIEWER=OPERATOR))
        wait_until(lambda: (self.role(viewer), self.role(operator)) == (api.ROLE_OPERATOR, api.ROLE_VIEWER), limit=LOOK_LIMIT)

        # One that is wrong changes nothing.
        replace("policy.yaml", b"rules: [{role: KING, principals: ['uid:0']}]\n")
        events = lambda: viewer.observe.ListEvents(api.ListEventsRequest(filter="reason=AccessPolicyNotTaken"), timeout=DEADLINE)
        wait_until(lambda: any(answer.events for answer in events()), limit=LOOK_LIMIT)
        self.assertEqual((self.role(viewer), self.role(operator)), (api.ROLE_OPERATOR, api.ROLE_VIEWER))

    def test_who_loses_its_role_sees_nothing_more(self):
        replace("policy.yaml", policy(OPERATOR=OPERATOR, VIEWER=VIEWER))
        viewer, operator = self.culvert("viewer"), self.culvert("operator")
        wait_until(lambda: (self.role(viewer), self.role(operator)) == (api.ROLE_VIEWER, api.ROLE_OPERATOR), limit=LOOK_LIMIT)
        streams = {"Watch": viewer.observe.Watch(api.WatchRequest(bookmark_interval=seconds(1)), timeout=LOOK_LIMIT),
                   "WatchStats": viewer.observe.WatchStats(api.WatchStatsRequest(), timeout=LOOK_LIMIT),
                   "ListEvents": viewer.observe.ListEvents(api.ListEventsRequest(follow=True), timeout=LOOK_LIMIT)}
        for name in ("Watch", "WatchStats", "ListEvents"):
            next(streams[name])
        replace("policy.yaml", policy(OPERATOR=OPERATOR, DENY=VIEWER))
        wait_until(lambda: self.role(viewer) == api.ROLE_UNSPECIFIED, limit=LOOK_LIMIT)
        for name, stream in streams.items():
            with self.subTest(name):
                self.ends_as_denied(stream)

    def test_who_becomes_a_viewer_carries_no_more_bytes(self):
        replace("policy.yaml", policy(OPERATOR=OPERATOR, VIEWER=VIEWER))
        operator = self.culvert("operator")
        wait_until(lambda: self.role(operator) == api.ROLE_OPERATOR, limit=LOOK_LIMIT)
        backend = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(backend.close)
        target = "127.0.0.1:%d" % backend.getsockname()[1]
        operator.dialers.CreateDialer(api.CreateDialerRequest(dialer=dialer("out", target)), timeout=DEADLINE)
        is_over = threading.Event()
        self.addCleanup(is_over.set)

        def requests():
            yield api.ConnectRequest(open=api.ConnectRequest.Open(dialer="out"))
            is_over.wait()

        stream = operator.dialers.Connect(requests(), timeout=LOOK_LIMIT)
        self.assertTrue(next(stream).HasField("opened"))
        watch = operator.observe.Watch(api.WatchRequest(bookmark_interval=seconds(1)), timeout=LOOK_LIMIT)
        next(watch)
        far = backend.accept()[0]
        self.addCleanup(far.close)
        replace("policy.yaml", policy(VIEWER=OPERATOR))
        self.ends_as_denied(stream)
        far.settimeout(DEADLINE)
        with self.assertRaises(ConnectionResetError, msg="what is cut does not look complete"):
            far.recv(1)
        self.assertEqual(self.role(operator), api.ROLE_VIEWER)
        for _ in range(3):
            next(watch)

    def ends_as_denied(self, stream):
        with self.assertRaises(grpc.RpcError) as caught:
            for _ in stream:
                pass
        self.assertEqual((caught.exception.code(), reason(caught.exception)), (grpc.StatusCode.PERMISSION_DENIED, "ROLE_REQUIRED"))


if __name__ == "__main__":
    main()
