#include "cli/watch/wait_for.h"

#include "culvert/v1/dialer.pb.h"
#include "culvert/v1/listener.pb.h"
#include "culvert/v1/session.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using Change = v1::WatchResponse::Change;

v1::Dialer MakeDialer(const std::string& name, v1::Condition::Status ready, v1::State state = v1::STATE_ACTIVE) {
  v1::Dialer dialer;
  dialer.mutable_metadata()->set_name(name);
  dialer.mutable_metadata()->set_generation(2);
  dialer.mutable_status()->set_state(state);
  v1::Condition* condition = dialer.mutable_status()->add_conditions();
  condition->set_type("Ready");
  condition->set_status(ready);
  condition->set_reason(ready == v1::Condition::STATUS_TRUE ? "Serving" : "AllTargetsFailing");
  condition->set_message(ready == v1::Condition::STATUS_TRUE ? "" : "2 of 2 targets failing\x1b[31m");
  condition->set_observed_generation(2);
  return dialer;
}

v1::WatchResponse Of(const v1::Dialer& dialer, Change::Type type = Change::TYPE_ADDED) {
  v1::WatchResponse response;
  response.mutable_change()->set_type(type);
  *response.mutable_change()->mutable_object()->mutable_dialer() = dialer;
  return response;
}

v1::WatchResponse Complete() {
  v1::WatchResponse response;
  response.mutable_bookmark()->set_snapshot_complete(true);
  return response;
}

std::string Read(const std::string& text) {
  const auto wanted = WaitFor::Parse(text);
  return wanted.ok() ? wanted->ToString() : std::string(wanted.status().message());
}

TEST(WaitFor, IsReadAsPeopleWriteIt) {
  EXPECT_EQ(Read("condition=Ready"), "condition Ready");
  EXPECT_EQ(Read("condition=Ready=False"), "condition Ready=False");
  EXPECT_EQ(Read("condition=Ready=unknown"), "condition Ready=Unknown");
  EXPECT_EQ(Read("create"), "created");
  EXPECT_EQ(Read("delete"), "deleted");
  EXPECT_EQ(Read("state=ACTIVE"), ".state=ACTIVE");
  EXPECT_EQ(Read(".status.state=ACTIVE"), ".status.state=ACTIVE");
  EXPECT_EQ(Read("jsonpath={.status.state}=ACTIVE"), ".status.state=ACTIVE");
  EXPECT_EQ(Read("jsonpath={$.status.boundAddresses[0]}"), ".status.boundAddresses[0]");
  EXPECT_EQ(Read("jsonpath=.status.state=A=B"), ".status.state=A=B");
  EXPECT_EQ(Read("jsonpath={.status.conditions[?(@.type==\"Ready\")].status}=True"),
            "{.status.conditions[?(@.type==\"Ready\")].status}=True");
  EXPECT_EQ(Read("jsonpath=.status.conditions[?(@.type=='a}=b')].status=True"), "{.status.conditions[?(@.type=='a}=b')].status}=True");
  EXPECT_EQ(Read("jsonpath={.status.conditions[?(@.type=='a}=b')].status}"), "{.status.conditions[?(@.type=='a}=b')].status}");
  EXPECT_EQ(Read("jsonpath={.status.targets[*].sessions}=1"), "{.status.targets[*].sessions}=1");
}

TEST(WaitFor, SaysWhatIsWrong) {
  EXPECT_EQ(Read("condition"), "--for condition=: the type of a condition is wanted, e.g. condition=Ready");
  EXPECT_EQ(Read("condition=Ready=Maybe"), "--for condition=Ready=Maybe: a condition is True, False or Unknown");
  EXPECT_EQ(Read("state="), "--for state=: a state is wanted, e.g. state=ACTIVE");
  EXPECT_EQ(Read("conditon=Ready"),
            "--for \"conditon=Ready\" is not one of condition=TYPE[=False], create, delete, state=STATE, .FIELD.PATH=VALUE or "
            "jsonpath={PATH}=VALUE (did you mean condition?)");
  EXPECT_EQ(Read("jsonpath={.a"), "--for \"jsonpath={.a\": \"{\" without \"}\"");
  EXPECT_EQ(Read("jsonpath={.a}x"), "--for \"jsonpath={.a}x\": \"=VALUE\" is wanted behind \"}\"");
  EXPECT_EQ(Read("jsonpath={}=x"), "--for \"jsonpath={}=x\": a field is wanted, e.g. .status.state=ACTIVE");
  EXPECT_EQ(Read("jsonpath="), "--for \"jsonpath=\": a field is wanted, e.g. .status.state=ACTIVE");
  EXPECT_EQ(Read("jsonpath={.a['}x"), "--for \"jsonpath={.a['}x\": \"{\" without \"}\"");
  EXPECT_EQ(Read("jsonpath={.a}="), "--for \"jsonpath={.a}=\": a value is wanted behind \"=\"; without \"=\" any will do");
  EXPECT_EQ(Read(".status.state="), "--for \".status.state=\": a value is wanted behind \"=\"; without \"=\" any will do");
  EXPECT_EQ(Read("."), "--for \".\": a field is wanted, e.g. .status.state=ACTIVE");
}

TEST(WaitFor, IsFittedToTheKind) {
  const auto fit = [](const std::string& text, const google::protobuf::Descriptor* type) {
    WaitFor wanted = *WaitFor::Parse(text);
    const absl::Status status = wanted.Fit(*type);
    return status.ok() ? wanted.ToString() : std::string(status.message());
  };
  EXPECT_EQ(fit("state=ACTIVE", v1::Dialer::descriptor()), ".status.state=ACTIVE");
  EXPECT_EQ(fit("state=STATE_ACTIVE", v1::Session::descriptor()), ".state=ACTIVE");
  EXPECT_EQ(fit(".spec.dialTimeout=5000ms", v1::Dialer::descriptor()), ".spec.dial_timeout=5s");
  EXPECT_EQ(fit(".spec.dial_timeout=soon", v1::Dialer::descriptor()).find("--for .dial_timeout: \"soon\" is not a duration"), 0u);
  EXPECT_EQ(fit("state=ACTVE", v1::Dialer::descriptor()),
            "--for .state: \"ACTVE\" is not one of PENDING, ACTIVE, DEGRADED, DRAINING, FAILED, CLOSED (did you mean ACTIVE?)");
  EXPECT_EQ(fit(".status.stat=x", v1::Dialer::descriptor()), "--for .status.stat: unknown field (did you mean state?)");
  EXPECT_EQ(fit(".spec.kcp.seed=x", v1::Dialer::descriptor()), "--for .spec.kcp.seed: a secret is never shown");
  EXPECT_EQ(fit("jsonpath={.status.targets[*].session}=1", v1::Dialer::descriptor()).find("--for {.status.targets[*].session}: character 21: "), 0u)
      << fit("jsonpath={.status.targets[*].session}=1", v1::Dialer::descriptor());
  EXPECT_EQ(fit("jsonpath={.status.targets[?(@.sessions>]}", v1::Dialer::descriptor()).find("--for {.status.targets[?(@.sessions>]}: character "), 0u)
      << fit("jsonpath={.status.targets[?(@.sessions>]}", v1::Dialer::descriptor());
  EXPECT_EQ(fit("condition=Ready", v1::Session::descriptor()),
            "--for condition=Ready: a session has no conditions, its state can be waited for: state=ACTIVE");
}

TEST(WaitFor, JudgesWhatItSees) {
  const auto judge = [](const std::string& text, const v1::Dialer& dialer) {
    WaitFor wanted = *WaitFor::Parse(text);
    EXPECT_TRUE(wanted.Fit(*v1::Dialer::descriptor()).ok());
    return Judge(wanted, &dialer, true);
  };
  const v1::Dialer ready = MakeDialer("a", v1::Condition::STATUS_TRUE);
  v1::Dialer failed = MakeDialer("a", v1::Condition::STATUS_FALSE, v1::STATE_FAILED);
  EXPECT_TRUE(judge("condition=Ready", ready).is_met);
  EXPECT_TRUE(judge("condition=ready", ready).is_met);
  EXPECT_TRUE(judge("condition=Ready=False", failed).is_met);
  const std::string why = "condition Ready is False: 2 of 2 targets failing\\x1b[31m (AllTargetsFailing)";
  EXPECT_EQ(judge("condition=Ready", failed).text, why + "; state FAILED");
  EXPECT_FALSE(judge("condition=Ready", failed).is_hopeless);  // the daemon goes on trying
  EXPECT_EQ(judge("condition=Bound", ready).text, "has no condition Bound; state ACTIVE");
  EXPECT_TRUE(judge("state=FAILED", failed).is_met);
  EXPECT_EQ(judge("state=ACTIVE", failed).text, ".status.state is FAILED; " + why);
  EXPECT_EQ(judge(".status.tls.spki_pin", ready).text, ".status.tls.spki_pin is <unset>; state ACTIVE");
  EXPECT_EQ(judge(".status.tls.spki_pin", failed).text, ".status.tls.spki_pin is <unset>; state FAILED; " + why);
  failed.mutable_status()->set_state(v1::STATE_DRAINING);
  failed.mutable_status()->mutable_conditions(0)->set_reason("Draining");
  EXPECT_TRUE(judge("condition=Ready", failed).is_hopeless);
  // One that was found out before the last change says nothing about it.
  v1::Dialer changed = ready;
  changed.mutable_metadata()->set_generation(3);
  EXPECT_FALSE(judge("condition=Ready", changed).is_met);
}

// As kubectl has it: with a value it is that, without one there is something that is not empty.
TEST(WaitFor, JudgesWhatAJsonPathFinds) {
  const auto judge = [](const std::string& text, const v1::Dialer& dialer) {
    WaitFor wanted = *WaitFor::Parse(text);
    EXPECT_TRUE(wanted.Fit(*v1::Dialer::descriptor()).ok()) << text;
    return Judge(wanted, &dialer, true);
  };
  v1::Dialer dialer = MakeDialer("a", v1::Condition::STATUS_FALSE, v1::STATE_DEGRADED);
  EXPECT_TRUE(judge("jsonpath={.status.conditions[?(@.type==\"Ready\")].reason}=AllTargetsFailing", dialer).is_met);
  EXPECT_TRUE(judge("jsonpath={.status.conditions[?(@.type==\"Ready\")].reason}", dialer).is_met);
  EXPECT_FALSE(judge("jsonpath={.status.conditions[?(@.type==\"Bound\")].reason}", dialer).is_met);
  EXPECT_EQ(judge("jsonpath={.status.conditions[?(@.type==\"Ready\")].reason}=Serving", dialer).text,
            "{.status.conditions[?(@.type==\"Ready\")].reason} is AllTargetsFailing; state DEGRADED; condition Ready is False: 2 of 2 targets "
            "failing\\x1b[31m (AllTargetsFailing)");
  for (const char* value : {"False", "FALSE", "STATUS_FALSE"}) {
    EXPECT_TRUE(judge(std::string("jsonpath={.status.conditions[?(@.type==\"Ready\")].status}=") + value, dialer).is_met) << value;
  }
  EXPECT_EQ(judge("jsonpath={.status.conditions[?(@.type==\"Ready\")].status}=True", dialer).text.find(
                "{.status.conditions[?(@.type==\"Ready\")].status} is FALSE; state DEGRADED"), 0u);
  EXPECT_FALSE(judge("jsonpath={.status.targets[*].sessions}=1", dialer).is_met);
  dialer.mutable_status()->add_targets()->set_sessions(1);
  EXPECT_TRUE(judge("jsonpath={.status.targets[*].sessions}=1", dialer).is_met);
  EXPECT_FALSE(judge("jsonpath={.status.targets[0].last_error_reason}", dialer).is_met);  // an empty text
  dialer.mutable_status()->mutable_targets(0)->set_last_error_reason("NO_ANSWER");
  EXPECT_TRUE(judge("jsonpath={.status.targets[0].lastErrorReason}", dialer).is_met);
}

// The daemon dials again and again, so a dialer comes back from FAILED. Nothing else does.
TEST(WaitFor, KnowsWhatHasEnded) {
  const auto is_hopeless = [](const std::string& text, const google::protobuf::Message& subject) {
    WaitFor wanted = *WaitFor::Parse(text);
    EXPECT_TRUE(wanted.Fit(*subject.GetDescriptor()).ok()) << text;
    const Standing standing = Judge(wanted, &subject, true);
    EXPECT_FALSE(standing.is_met);
    return standing.is_hopeless;
  };
  const v1::Dialer dialer = MakeDialer("a", v1::Condition::STATUS_FALSE, v1::STATE_FAILED);
  EXPECT_FALSE(is_hopeless("condition=Ready", dialer));
  EXPECT_FALSE(is_hopeless("state=ACTIVE", dialer));
  v1::Listener listener;
  listener.mutable_status()->set_state(v1::STATE_FAILED);
  EXPECT_TRUE(is_hopeless("condition=Ready", listener));
  EXPECT_TRUE(is_hopeless("state=ACTIVE", listener));
  EXPECT_TRUE(is_hopeless("jsonpath={.status.boundAddresses[0]}", listener));
  EXPECT_FALSE(is_hopeless(".spec.paused=true", listener));  // anybody may still set it
  listener.mutable_status()->set_state(v1::STATE_CLOSED);    // not bound yet
  EXPECT_FALSE(is_hopeless("condition=Ready", listener));
  v1::Session session;
  session.set_state(v1::STATE_DRAINING);
  EXPECT_FALSE(is_hopeless("state=CLOSED", session));
  session.set_state(v1::STATE_CLOSED);
  EXPECT_TRUE(is_hopeless("state=ACTIVE", session));
}

TEST(Wait, SeesWhatIsThereAlready) {
  FakeDaemon daemon;
  daemon.watched = {Of(MakeDialer("other", v1::Condition::STATUS_FALSE)), Of(MakeDialer("edge", v1::Condition::STATUS_TRUE)), Complete()};
  const Answer answer = daemon.Run({"wait", "dl/edge", "--for", "condition=Ready"});
  EXPECT_THAT(answer.out, MatchesRegex("dialer/edge condition Ready met after [0-9.]+s\n"));
  EXPECT_EQ(answer.err, "");
  EXPECT_EQ(answer.code, 0);
  EXPECT_EQ(daemon.last_watch_request.filter(), "metadata.name=\"edge\"");
  EXPECT_THAT(daemon.last_watch_request.kinds(), testing::ElementsAre(v1::WATCH_KIND_DIALER));
  EXPECT_EQ(daemon.Run({"wait", "dl/edge", "-q"}).out, "");
}

TEST(Wait, WaitsForWhatComesAndChanges) {
  FakeDaemon daemon;
  daemon.watched = {Complete(), Of(MakeDialer("a", v1::Condition::STATUS_FALSE)), Of(MakeDialer("b", v1::Condition::STATUS_TRUE)),
                    Of(MakeDialer("a", v1::Condition::STATUS_TRUE), Change::TYPE_MODIFIED)};
  const Answer answer = daemon.Run({"wait", "dl", "a", "b"});
  EXPECT_THAT(answer.out, MatchesRegex("dialer/b condition Ready met after [0-9.]+s\ndialer/a condition Ready met after [0-9.]+s\n"));
  EXPECT_EQ(answer.code, 0);
  daemon.watched = {Of(MakeDialer("a", v1::Condition::STATUS_FALSE)), Complete(),
                    Of(MakeDialer("a", v1::Condition::STATUS_FALSE), Change::TYPE_DELETED)};
  EXPECT_THAT(daemon.Run({"wait", "dl/a", "--for=delete"}).out, MatchesRegex("dialer/a deleted after [0-9.]+s\n"));
  EXPECT_THAT(daemon.Run({"wait", "dl/a", "--for", "create"}).out, MatchesRegex("dialer/a created after [0-9.]+s\n"));
  EXPECT_THAT(daemon.Run({"wait", "dl/never", "--for=delete"}).out, MatchesRegex("dialer/never deleted after [0-9.]+s\n"));
}

TEST(Wait, OutlivesTheDaemon) {
  FakeDaemon daemon;
  // The first stream ends as a stopping daemon's does; the second one has what was waited for.
  daemon.watched = {Complete()};
  daemon.on_watch = [&daemon](const v1::WatchRequest&, grpc::ServerWriter<v1::WatchResponse>& writer) {
    if (daemon.watches == 1) {
      v1::WatchResponse closing;
      closing.mutable_closing()->set_reason("DAEMON_STOPPING");
      writer.Write(closing);
    } else {
      writer.Write(Of(MakeDialer("edge", v1::Condition::STATUS_TRUE)));
    }
    return grpc::Status::OK;
  };
  EXPECT_EQ(daemon.Run({"wait", "dl/edge"}).code, 0);
  EXPECT_EQ(daemon.watches, 2);
}

TEST(Wait, TimesOutWithWhatItSawLast) {
  FakeDaemon daemon;
  daemon.watched = {Of(MakeDialer("edge", v1::Condition::STATUS_FALSE)), Complete()};
  daemon.on_watch = [](const v1::WatchRequest&, grpc::ServerWriter<v1::WatchResponse>&) { return grpc::Status::OK; };
  const Answer answer = daemon.Run({"wait", "dl/edge", "dl/absent", "--timeout", "1s"});
  EXPECT_EQ(answer.code, 7);
  EXPECT_EQ(answer.out, "");
  EXPECT_EQ(answer.err,
            "error: timed out after 1s: dialer/edge condition Ready is False: 2 of 2 targets failing\\x1b[31m (AllTargetsFailing); state ACTIVE\n"
            "error: timed out after 1s: dialer/absent does not exist yet\n");
  const Answer once = daemon.Run({"wait", "dl/edge", "--timeout", "0s"});
  EXPECT_EQ(once.code, 7);
  EXPECT_EQ(once.err,
            "error: timed out after 0s: dialer/edge condition Ready is False: 2 of 2 targets failing\\x1b[31m (AllTargetsFailing); state ACTIVE\n");
  const Answer nobody = daemon.Run({"--address", "unix:/nonexistent", "wait", "dl/edge", "--timeout", "10ms"});
  EXPECT_EQ(nobody.code, 7);
  EXPECT_EQ(nobody.err, "error: timed out after 10ms: cannot reach culvertd: unix:/nonexistent: No such file or directory\n");
}

TEST(Wait, EndsAtOnceWhereItIsHopeless) {
  FakeDaemon daemon;
  v1::Dialer draining = MakeDialer("edge", v1::Condition::STATUS_FALSE, v1::STATE_DRAINING);
  draining.mutable_status()->mutable_conditions(0)->set_reason("Draining");
  daemon.watched = {Of(draining), Complete()};
  const Answer answer = daemon.Run({"wait", "dl/edge", "--timeout", "1h"});
  EXPECT_EQ(answer.code, 6);
  EXPECT_THAT(answer.err, HasSubstr("error: dialer/edge condition Ready is False"));
  v1::WatchResponse failed;
  failed.mutable_change()->set_type(Change::TYPE_ADDED);
  v1::Listener& listener = *failed.mutable_change()->mutable_object()->mutable_listener();
  listener.mutable_metadata()->set_name("in");
  listener.mutable_status()->set_state(v1::STATE_FAILED);
  daemon.watched = {failed, Complete()};
  const Answer lost = daemon.Run({"wait", "lsn/in", "--timeout", "1h"});
  EXPECT_EQ(lost.code, 6);
  EXPECT_EQ(lost.err, "error: listener/in has no condition Ready; state FAILED\n");
  daemon.watched = {Complete()};
  const Answer gone = daemon.Run({"wait", "ses/k3f9q2", "--for", "state=ACTIVE", "--timeout", "1h"});
  EXPECT_EQ(gone.code, 3);
  EXPECT_EQ(gone.err, "error: session/k3f9q2 does not exist, and a session's name never comes back\n");
  EXPECT_EQ(daemon.last_watch_request.filter(), "name=\"sessions/k3f9q2\"");
}

TEST(Wait, PassesOnWhatTheDaemonRefuses) {
  FakeDaemon daemon;
  daemon.on_watch = [](const v1::WatchRequest&, grpc::ServerWriter<v1::WatchResponse>&) {
    return ErrorWithDetails(grpc::StatusCode::RESOURCE_EXHAUSTED, "32 watches", "LIMIT_EXCEEDED");
  };
  const Answer answer = daemon.Run({"wait", "dl/edge", "--timeout", "1h"});
  EXPECT_EQ(answer.code, 8);
  EXPECT_EQ(answer.err, "error: 32 watches (LIMIT_EXCEEDED)\n");
}

TEST(Wait, KnowsTheDaemonToo) {
  FakeDaemon daemon;
  EXPECT_THAT(daemon.Run({"wait", "daemon", "--for", "ready"}).out, MatchesRegex("daemon ready after [0-9.]+s\n"));
  v1::Condition* condition = daemon.daemon.add_conditions();
  condition->set_type("StateKept");
  condition->set_status(v1::Condition::STATUS_TRUE);
  EXPECT_THAT(daemon.Run({"wait", "daemon", "--for", "condition=StateKept"}).out,
              MatchesRegex("daemon condition StateKept met after [0-9.]+s\n"));
  EXPECT_THAT(daemon.Run({"wait", "daemon", "--for", ".sessions=0"}).out, MatchesRegex("daemon .sessions=0 met after [0-9.]+s\n"));
  daemon.daemon.set_sessions(4);
  const Answer answer = daemon.Run({"wait", "daemon", "--for", ".sessions=0", "--timeout", "0s"});
  EXPECT_EQ(answer.code, 7);
  EXPECT_EQ(answer.err, "error: timed out after 0s: daemon .sessions is 4\n");
}

TEST(Wait, SaysWhatIsWrongBeforeAnythingIsAsked) {
  FakeDaemon daemon;
  const std::pair<std::vector<std::string>, std::string> rows[] = {
      {{"wait"}, "error: a kind is wanted: listeners, dialers, forwards, sessions, streams, udpflows, events"},
      {{"wait", "dl"}, "error: a name is wanted: KIND/NAME or KIND NAME"},
      {{"wait", "str/a/1"}, "error: streams cannot be waited for"},
      {{"wait", "ev/1"}, "error: events cannot be waited for"},
      {{"wait", "dl/Edge"}, "error: \"Edge\" is no name of a dialer"},
      {{"wait", "ses/a\"b"}, "error: \"a\"b\" is no name of a session"},
      {{"wait", "dl/edge", "--timeout", "30"},
       "error: --timeout: \"30\" is not a duration: write a number with a unit, e.g. 50ms, 10s, 2m, 1h"},
      {{"wait", "dl/edge", "--timeout", "25h"}, "error: --timeout: 0 to 24h"},
      {{"wait", "dl/edge", "--for", ".status.stat=A"}, "error: --for .status.stat: unknown field (did you mean state?)"},
      {{"wait", "ses/a", "--for", "condition=Ready"},
       "error: --for condition=Ready: a session has no conditions, its state can be waited for: state=ACTIVE"},
      {{"wait", "ses/a", "dl/b", "--for", "state=ACTIVE"}, "error: sessions and declared objects are waited for apart"},
      {{"wait", "daemon", "--for", "delete"}, "error: --for delete: a daemon is waited for, not its end"},
      {{"wait", "daemon", "--for", "drains"},
       "error: --for \"drains\" is not one of condition=TYPE[=False], create, delete, state=STATE, .FIELD.PATH=VALUE or jsonpath={PATH}=VALUE"},
      {{"wait", "dl/edge", "--for", "jsonpath={.status.targets[*].session}=1"}, "error: --for {.status.targets[*].session}: character 21: TargetStatus has no field \"session\" (did you mean sessions?)"},
      {{"wait", "dl/edge", "-o", "json"}, "error: wait does not print -o json"},
  };
  for (const auto& [words, error] : rows) {
    const Answer answer = daemon.Run(words);
    EXPECT_EQ(answer.err.substr(0, answer.err.find('\n')), error);
    EXPECT_EQ(answer.code, 2) << error;
  }
  EXPECT_EQ(daemon.watches, 0);
}

}  // namespace
}  // namespace culvert::cli
