"""culvertd driven over its Unix socket by a controller in another language.

The wrapper (controller_test.cc) runs each class of this file against a daemon of its own.
"""
import socket
import threading
import uuid

from calls import *  # noqa: F403


class OverUnix(Case):
    def setUp(self):
        channel = grpc.insecure_channel(options.address)
        self.addCleanup(channel.close)
        self.culvert = Stubs(channel)
        self.addCleanup(self.remove_all)

    def remove_all(self):
        for manager in ("api", "fleet"):
            self.culvert.config.Apply(api.ApplyRequest(manager=manager, prune=True), timeout=DEADLINE)

    def create(self, name, **metadata):
        request = api.CreateListenerRequest(listener=listener(name, **metadata))
        return self.culvert.listeners.CreateListener(request, timeout=DEADLINE).listener

    def names(self, **keywords):
        answer = self.culvert.listeners.ListListeners(api.ListListenersRequest(**keywords), timeout=DEADLINE)
        return [one.metadata.name for one in answer.listeners]


class Objects(OverUnix):
    def test_a_tunnel_is_made_piece_by_piece(self):
        culvert = self.culvert
        create = api.CreateListenerRequest(listener=listener("in"), validate_only=True)
        tried = culvert.listeners.CreateListener(create, timeout=DEADLINE)
        self.assertEqual(tried.listener.metadata.name, "in")
        self.assertEqual(self.names(), [], "a dry run made something")

        create.validate_only = False
        made = culvert.listeners.CreateListener(create, timeout=DEADLINE).listener
        self.assertEqual((made.metadata.generation, made.metadata.manager), (1, "api"))
        self.assertTrue(made.metadata.uid and made.metadata.etag)
        dial = api.CreateDialerRequest(dialer=dialer("out", "127.0.0.1:9"), validate_only=True)
        culvert.dialers.CreateDialer(dial, timeout=DEADLINE)
        self.fails(grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND", culvert.dialers.GetDialer, api.GetDialerRequest(name="out"))
        dial.validate_only = False
        culvert.dialers.CreateDialer(dial, timeout=DEADLINE)
        join = api.CreateForwardRequest(forward=forward("join", "in", dialer="out"), validate_only=True)
        culvert.forwards.CreateForward(join, timeout=DEADLINE)
        join.validate_only = False
        culvert.forwards.CreateForward(join, timeout=DEADLINE)

        def is_bound():
            got = culvert.listeners.GetListener(api.GetListenerRequest(name="listeners/in"), timeout=DEADLINE).listener
            return got if got.status.state == api.STATE_ACTIVE else None

        bound = wait_until(is_bound)
        self.assertIn("TRUE", [api.Condition.Status.Name(one.status)[7:] for one in bound.status.conditions if one.type == "Bound"])
        self.assertEqual(culvert.daemon.GetDaemon(api.GetDaemonRequest(), timeout=DEADLINE).daemon.forwards, 1)

    def test_an_update_needs_no_more_than_what_changes(self):
        made = self.create("in")
        change = api.Listener(metadata=api.Metadata(name="in", etag=made.metadata.etag), spec=api.ListenerSpec(paused=True))
        request = api.UpdateListenerRequest(listener=change, update_mask=field_mask_pb2.FieldMask(paths=["spec.paused"]))
        changed = self.culvert.listeners.UpdateListener(request, timeout=DEADLINE).listener
        self.assertTrue(changed.spec.paused)
        self.assertEqual((changed.spec.bind, changed.metadata.generation), (made.spec.bind, 2))
        error = self.fails(grpc.StatusCode.ABORTED, "ETAG_MISMATCH", self.culvert.listeners.UpdateListener, request)
        self.assertEqual(details(error)["ErrorInfo"].metadata["current_etag"], changed.metadata.etag)

    def test_a_deletion_acts_and_gives_what_was(self):
        self.create("in")
        gone = self.culvert.listeners.DeleteListener(api.DeleteListenerRequest(name="in", validate_only=True), timeout=DEADLINE)
        self.assertEqual(self.names(), ["in"])
        gone = self.culvert.listeners.DeleteListener(api.DeleteListenerRequest(name="in"), timeout=DEADLINE)
        self.assertEqual(gone.listener.metadata.name, "in")
        self.assertEqual(self.names(), [])
        self.fails(grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND", self.culvert.listeners.DeleteListener, api.DeleteListenerRequest(name="in"))
        self.culvert.listeners.DeleteListener(api.DeleteListenerRequest(name="in", allow_missing=True), timeout=DEADLINE)

    def test_what_others_refer_to_stays(self):
        self.create("in")
        self.culvert.forwards.CreateForward(api.CreateForwardRequest(forward=forward("join", "in", destination="127.0.0.1:9")), timeout=DEADLINE)
        error = self.fails(grpc.StatusCode.FAILED_PRECONDITION, "RESOURCE_IN_USE", self.culvert.listeners.DeleteListener,
                           api.DeleteListenerRequest(name="in"))
        self.assertIn("join", details(error)["PreconditionFailure"].violations[0].subject)

    def test_a_secret_never_comes_back(self):
        kcp = api.Listener(metadata=api.Metadata(name="kcp"), spec=api.ListenerSpec(
            transport=api.TRANSPORT_KCP, bind="127.0.0.1:0", kcp=api.KcpSpec(seed="never shown")))
        answers = [self.culvert.listeners.CreateListener(api.CreateListenerRequest(listener=kcp), timeout=DEADLINE),
                   self.culvert.listeners.GetListener(api.GetListenerRequest(name="kcp"), timeout=DEADLINE),
                   self.culvert.config.Export(api.ExportRequest(), timeout=DEADLINE)]
        for answer in answers:
            self.assertNotIn("never shown", str(answer))


class Lists(OverUnix):
    def test_pages_hold_everything_once(self):
        for i in range(7):
            self.create(f"l{i}", labels={"site": "a" if i % 2 == 0 else "b"})
        pages, token = [], ""
        while True:
            request = api.ListListenersRequest(page_size=2, page_token=token, filter="labels.site=a", order_by="metadata.name desc")
            answer = self.culvert.listeners.ListListeners(request, timeout=DEADLINE)
            self.assertEqual(answer.total_size, 4)
            pages.append([one.metadata.name for one in answer.listeners])
            token = answer.next_page_token
            if not token:
                break
        self.assertEqual(pages, [["l6", "l4"], ["l2", "l0"]])
        self.assertEqual(self.names(filter="name=l1 OR name=l3"), ["l1", "l3"])

    def test_a_token_is_of_its_question(self):
        for name in ("a", "b"):
            self.create(name)
        token = self.culvert.listeners.ListListeners(api.ListListenersRequest(page_size=1), timeout=DEADLINE).next_page_token
        self.fails(grpc.StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID", self.culvert.listeners.ListListeners,
                   api.ListListenersRequest(page_size=1, page_token=token, filter="name=a"))

    def test_a_read_mask_leaves_out_the_rest(self):
        self.create("in")
        mask = field_mask_pb2.FieldMask(paths=["metadata.name", "spec.bind"])
        got = self.culvert.listeners.GetListener(api.GetListenerRequest(name="in", read_mask=mask), timeout=DEADLINE).listener
        self.assertEqual(got, api.Listener(metadata=api.Metadata(name="in"), spec=api.ListenerSpec(bind=got.spec.bind)))

    def test_a_wrong_filter_says_what_and_where(self):
        error = self.fails(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FILTER", self.culvert.listeners.ListListeners,
                           api.ListListenersRequest(filter="name=a AND colour=red"))
        found = details(error)
        self.assertEqual(found["ErrorInfo"].metadata["position"], str(len("name=a AND ")))
        self.assertEqual(found["BadRequest"].field_violations[0].field, "filter")
        self.assertIn("colour", error.details())

    def test_every_wrong_field_is_named(self):
        wrong = listener("Not A Name", bind="nowhere")
        wrong.spec.max_sessions = 4000000000
        error = self.fails(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", self.culvert.listeners.CreateListener,
                           api.CreateListenerRequest(listener=wrong))
        fields = {one.field for one in details(error)["BadRequest"].field_violations}
        self.assertEqual(fields, {"metadata.name", "spec.bind", "spec.max_sessions"})


class Watches(OverUnix):
    def watch(self, **keywords):
        call = self.culvert.observe.Watch(api.WatchRequest(bookmark_interval=seconds(1), **keywords), timeout=DEADLINE)
        self.addCleanup(call.cancel)
        return call

    def changes(self, call, count):
        """The next so many changes: (type, name), and the revision of the last message."""
        found, revision = [], 0
        while len(found) < count:
            message = next(call)
            revision = message.revision
            if message.WhichOneof("body") == "change":
                found.append((api.WatchResponse.Change.Type.Name(message.change.type), message.change.object.listener.metadata.name))
        return found, revision

    def snapshot(self, call):
        names, last = [], 0
        for message in call:
            if message.WhichOneof("body") == "bookmark":
                self.assertTrue(message.bookmark.snapshot_complete)
                return names, message.revision
            self.assertTrue(message.change.initial)
            names.append(message.change.object.listener.metadata.name)
            last = message.revision
        self.fail(f"the stream ended at {last}")

    def test_a_snapshot_then_changes_and_nothing_missed_in_between(self):
        self.create("first")
        call = self.watch(kinds=[api.WATCH_KIND_LISTENER])
        names, _ = self.snapshot(call)
        self.assertEqual(names, ["first"])
        self.create("second")
        (added, *_), revision = self.changes(call, 1)
        self.assertEqual(added, ("TYPE_ADDED", "second"))
        call.cancel()

        # While nobody is connected.
        self.create("third")
        self.culvert.listeners.DeleteListener(api.DeleteListenerRequest(name="first"), timeout=DEADLINE)
        resumed = self.watch(kinds=[api.WATCH_KIND_LISTENER], resume_revision=revision)
        seen = []
        while ("TYPE_DELETED", "first") not in seen:
            seen += self.changes(resumed, 1)[0]
        self.assertIn(("TYPE_ADDED", "third"), seen)
        self.assertNotIn(("TYPE_ADDED", "second"), seen, "what was seen is not repeated")

    def test_a_bookmark_is_a_place_to_resume_from(self):
        call = self.watch(kinds=[api.WATCH_KIND_DIALER])
        _, at_start = self.snapshot(call)
        self.create("in")
        later = next(message for message in call if message.WhichOneof("body") == "bookmark" and message.revision > at_start)
        resumed = self.watch(kinds=[api.WATCH_KIND_LISTENER], resume_revision=later.revision)
        self.create("after")
        self.assertEqual(self.changes(resumed, 1)[0][0][1], "after")

    def test_a_list_hands_over_to_a_watch(self):
        self.create("listed")
        revision = self.culvert.listeners.ListListeners(api.ListListenersRequest(), timeout=DEADLINE).revision
        self.create("after")
        call = self.watch(kinds=[api.WATCH_KIND_LISTENER], resume_revision=revision)
        seen = []
        while ("TYPE_ADDED", "after") not in seen:
            seen += self.changes(call, 1)[0]
        self.assertNotIn(("TYPE_ADDED", "listed"), seen)

    def test_who_comes_from_another_run_begins_anew(self):
        self.fails(grpc.StatusCode.OUT_OF_RANGE, "REVISION_FROM_OTHER_RUN", self.culvert.observe.Watch, api.WatchRequest(resume_revision=17))

    def test_a_filter_lets_through_what_matches(self):
        call = self.watch(kinds=[api.WATCH_KIND_LISTENER], filter="labels.site=b")
        self.snapshot(call)
        self.create("a", labels={"site": "a"})
        self.create("b", labels={"site": "b"})
        self.assertEqual(self.changes(call, 1)[0], [("TYPE_ADDED", "b")])


class Stats(OverUnix):
    def test_frames_come_at_their_interval_and_counters_grow(self):
        backend = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(backend.close)
        destination = "127.0.0.1:%d" % backend.getsockname()[1]
        entrance = self.create("in").status.bound_addresses or self.bound("in")
        self.culvert.forwards.CreateForward(api.CreateForwardRequest(forward=forward("join", "in", destination=destination)), timeout=DEADLINE)
        host, port = entrance[0].rsplit(":", 1)
        client = socket.create_connection((host, int(port)), DEADLINE)
        self.addCleanup(client.close)
        far = backend.accept()[0]
        self.addCleanup(far.close)

        request = api.WatchStatsRequest(interval=seconds(0.2), scope=api.WatchStatsRequest.SCOPE_FORWARDS)
        call = self.culvert.observe.WatchStats(request, timeout=DEADLINE)
        before = next(call)
        for sent in range(1, 6):
            client.sendall(b"x" * 1000)
            received = 0
            while received < 1000:
                received += len(far.recv(1000))
            after = next(frame for frame in call if frame.forwards and frame.forwards[0].counters.rx_bytes >= 1000 * sent)
            self.assertEqual((after.forwards[0].name, after.forwards[0].counters.rx_bytes), ("join", 1000 * sent))
            self.assertGreater(after.monotonic_time.ToNanoseconds(), before.monotonic_time.ToNanoseconds())
            self.assertEqual((after.total_subjects, after.end_of_frame), (1, True))
            before = after
        call.cancel()

    def bound(self, name):
        def addresses():
            return self.culvert.listeners.GetListener(api.GetListenerRequest(name=name), timeout=DEADLINE).listener.status.bound_addresses
        return wait_until(addresses)

    def test_an_interval_has_a_least_value(self):
        self.fails(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", self.culvert.observe.WatchStats,
                   api.WatchStatsRequest(interval=seconds(0.01)))


class Applied(OverUnix):
    def apply(self, *objects, **keywords):
        wrapped = [api.Object(**{kind: one}) for kind, one in objects]
        return self.culvert.config.Apply(api.ApplyRequest(objects=wrapped, **keywords), timeout=DEADLINE)

    def actions(self, answer):
        return [(one.kind, one.name, api.ApplyResponse.Action.Name(one.action)[len("ACTION_"):]) for one in answer.results]

    def test_a_manager_owns_what_it_made_and_prunes_only_that(self):
        self.create("foreign")
        tunnel = (("listener", listener("in")), ("dialer", dialer("out", "127.0.0.1:9")), ("forward", forward("join", "in", dialer="out")))
        tried = self.apply(*tunnel, manager="fleet", prune=True, validate_only=True)
        expected = [("listener", "in", "CREATED"), ("dialer", "out", "CREATED"), ("forward", "join", "CREATED")]
        self.assertEqual(self.actions(tried), expected)
        self.assertEqual(self.names(), ["foreign"])
        self.assertEqual(self.actions(self.apply(*tunnel, manager="fleet", prune=True)), expected)
        again = self.apply(*tunnel, manager="fleet", prune=True)
        self.assertEqual({action for _, _, action in self.actions(again)}, {"UNCHANGED"})

        # What the manager does not name any more goes; what is another's stays.
        less = self.apply(tunnel[0], manager="fleet", prune=True)
        expected = {("listener", "in", "UNCHANGED"), ("dialer", "out", "DELETED"), ("forward", "join", "DELETED")}
        self.assertEqual(set(self.actions(less)), expected)
        self.assertEqual(self.names(), ["foreign", "in"])
        self.assertEqual(self.names(filter="metadata.manager=fleet"), ["in"])

        request = api.ApplyRequest(objects=[api.Object(listener=listener("in", bind="127.0.0.1:0"))], manager="other")
        request.objects[0].listener.spec.paused = True
        self.fails(grpc.StatusCode.FAILED_PRECONDITION, "MANAGED_BY_OTHER", self.culvert.config.Apply, request)
        request.force_conflicts = True
        self.culvert.config.Apply(request, timeout=DEADLINE)
        self.apply(manager="other", prune=True)

    def test_all_or_nothing(self):
        request = api.ApplyRequest(objects=[api.Object(listener=listener("good")), api.Object(forward=forward("bad", "nobody"))])
        with self.assertRaises(grpc.RpcError) as caught:
            self.culvert.config.Apply(request, timeout=DEADLINE)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertTrue(any("objects[1]" in one.field for one in details(caught.exception)["BadRequest"].field_violations))
        self.assertEqual(self.names(), [])


class Leases(OverUnix):
    def test_what_is_not_renewed_goes(self):
        made = self.create("leased", ttl=seconds(2))
        self.assertGreater(made.metadata.expire_time.ToSeconds(), 0)
        self.create("kept")
        renew = api.ApplyRequest(objects=[api.Object(listener=listener("leased", ttl=seconds(2)))])
        for _ in range(6):
            threading.Event().wait(0.5)
            answer = self.culvert.config.Apply(renew, timeout=DEADLINE)
        self.assertEqual(self.names(), ["kept", "leased"], "it was renewed for longer than its lease is")
        self.assertGreater(answer.results[0].after.listener.metadata.expire_time.ToNanoseconds(), made.metadata.expire_time.ToNanoseconds())
        wait_until(lambda: self.names() == ["kept"], limit=20)


class Retries(OverUnix):
    def test_the_same_request_is_done_once(self):
        request = api.CreateListenerRequest(listener=listener("in"), request_id=str(uuid.uuid4()))
        first = self.culvert.listeners.CreateListener(request, timeout=DEADLINE)
        self.culvert.listeners.DeleteListener(api.DeleteListenerRequest(name="in"), timeout=DEADLINE)
        # As a client does that has not seen the answer: it gets that one, and nothing is made again.
        second = self.culvert.listeners.CreateListener(request, timeout=DEADLINE)
        self.assertEqual(first, second)
        self.assertEqual(self.names(), [])

        request.listener.metadata.name = "other"
        self.fails(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", self.culvert.listeners.CreateListener, request)
        self.assertEqual(self.names(), [])

    def test_without_an_id_it_is_another_request(self):
        self.create("in")
        error = self.fails(grpc.StatusCode.ALREADY_EXISTS, "RESOURCE_EXISTS", self.culvert.listeners.CreateListener,
                           api.CreateListenerRequest(listener=listener("in")))
        self.assertIn("ResourceInfo", details(error))

    def test_deletions_and_applies_too(self):
        self.create("in")
        delete = api.DeleteListenerRequest(name="in", request_id=str(uuid.uuid4()))
        first = self.culvert.listeners.DeleteListener(delete, timeout=DEADLINE)
        self.assertEqual(self.culvert.listeners.DeleteListener(delete, timeout=DEADLINE), first)
        apply = api.ApplyRequest(objects=[api.Object(listener=listener("applied"))], request_id=str(uuid.uuid4()))
        first = self.culvert.config.Apply(apply, timeout=DEADLINE)
        self.assertEqual(self.culvert.config.Apply(apply, timeout=DEADLINE), first)
        self.assertEqual(first.results[0].action, api.ApplyResponse.ACTION_CREATED)


class Callers(OverUnix):
    def test_the_kernel_says_who_calls(self):
        who = self.culvert.access.WhoAmI(api.WhoAmIRequest(), timeout=DEADLINE)
        self.assertEqual(who.channel, api.CONTROL_CHANNEL_UNIX)
        self.assertTrue(who.principals[0].startswith("uid:"))

    def test_every_method_is_served(self):
        methods = list(api.methods())
        self.assertGreaterEqual(len(methods), 33)
        for method in methods:
            with self.subTest(method.full_name):
                error = empty_call(self.culvert.channel, method)
                if error is not None:
                    self.assertNotIn(error.code(), (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.INTERNAL,
                                                    grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNKNOWN), error.details())


if __name__ == "__main__":
    main()
