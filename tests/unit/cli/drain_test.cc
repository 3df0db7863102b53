// drain, reload and wait for drained, against a daemon that answers as it is told.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

using testing::HasSubstr;

v1::Drain DrainOf(v1::Drain::Phase phase, int64_t streams = 0) {
  v1::Drain drain;
  drain.set_phase(phase);
  drain.mutable_start_time()->set_seconds(1000);
  drain.mutable_deadline()->set_seconds(1060);
  drain.set_sessions_left(streams);
  drain.set_streams_left(streams);
  return drain;
}

class DrainVerb : public testing::Test {
 protected:
  FakeDaemon daemon_;
};

TEST_F(DrainVerb, StartsAndSaysWhatIsLeft) {
  daemon_.drains = {DrainOf(v1::Drain::PHASE_DRAINING, 3)};
  const Answer answer = daemon_.Run({"drain", "--timeout", "90s", "--inbound-only"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(answer.out, "draining: 3 sessions, 3 streams, 0 UDP flows left\n");
  EXPECT_EQ(daemon_.last_drain.timeout().seconds(), 90);
  EXPECT_TRUE(daemon_.last_drain.inbound_only());
  EXPECT_FALSE(daemon_.last_drain.exit_when_drained());
  EXPECT_FALSE(daemon_.last_drain.request_id().empty());
}

TEST_F(DrainVerb, WaitsUntilNothingIsLeft) {
  daemon_.drains = {DrainOf(v1::Drain::PHASE_DRAINING, 3), DrainOf(v1::Drain::PHASE_DRAINING, 1), DrainOf(v1::Drain::PHASE_DRAINED)};
  const Answer answer = daemon_.Run({"drain", "--wait"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(answer.out, "drained\n");
}

TEST_F(DrainVerb, ItsTimeIsUp) {
  daemon_.drains = {DrainOf(v1::Drain::PHASE_DRAINING, 3), DrainOf(v1::Drain::PHASE_TIMED_OUT, 2)};
  const Answer answer = daemon_.Run({"drain", "--wait"});
  EXPECT_EQ(answer.code, 7);
  EXPECT_THAT(answer.err, HasSubstr("the time to drain is up: 2 sessions, 2 streams, 0 UDP flows left"));
}

TEST_F(DrainVerb, SomebodyElseCancelsIt) {
  daemon_.drains = {DrainOf(v1::Drain::PHASE_DRAINING, 3), DrainOf(v1::Drain::PHASE_SERVING)};
  const Answer answer = daemon_.Run({"drain", "--wait"});
  EXPECT_EQ(answer.code, 6);
  EXPECT_THAT(answer.err, HasSubstr("cancelled by somebody else"));
}

TEST_F(DrainVerb, Cancels) {
  daemon_.drains = {DrainOf(v1::Drain::PHASE_SERVING)};
  const Answer answer = daemon_.Run({"drain", "--cancel"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(answer.out, "takes new work\n");
  EXPECT_EQ(daemon_.cancels, 1);
}

TEST_F(DrainVerb, TellsItAsJson) {
  daemon_.drains = {DrainOf(v1::Drain::PHASE_DRAINED)};
  EXPECT_THAT(daemon_.Run({"drain", "--wait", "-o", "json"}).out, HasSubstr("\"phase\": \"PHASE_DRAINED\""));
}

TEST_F(DrainVerb, WrongFlagsAskNobody) {
  for (const auto& [arguments, said] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"drain", "--timeout", "soon"}, "--timeout"},
           {{"drain", "--timeout", "0s"}, "--timeout: 1ms to 24h"},
           {{"drain", "--timeout", "25h"}, "--timeout: 1ms to 24h"},
           {{"drain", "--cancel", "--wait"}, "--cancel ends a drain"},
           {{"drain", "--cancel", "--timeout", "1s"}, "--cancel ends a drain"},
           {{"drain", "now"}, "now"},
           {{"drain", "--inbound"}, "--inbound"},
           {{"drain", "--dry-run"}, "--dry-run"},
           {{"reload", "everything"}, "everything"}}) {
    const Answer answer = daemon_.Run(arguments);
    EXPECT_EQ(answer.code, 2) << said;
    EXPECT_THAT(answer.err, HasSubstr(said));
  }
  EXPECT_EQ(daemon_.cancels, 0);
  EXPECT_EQ(daemon_.last_drain.request_id(), "");
}

TEST_F(DrainVerb, WaitKnowsWhenADaemonIsDrained) {
  daemon_.drains = {DrainOf(v1::Drain::PHASE_DRAINING, 3), DrainOf(v1::Drain::PHASE_DRAINED)};
  EXPECT_EQ(daemon_.Run({"wait", "daemon", "--for", "drained", "--timeout", "10s"}).code, 0);
  daemon_.drains = {DrainOf(v1::Drain::PHASE_DRAINING, 3)};
  const Answer late = daemon_.Run({"wait", "daemon", "--for", "drained", "--timeout", "0s"});
  EXPECT_EQ(late.code, 7);
  EXPECT_THAT(late.err, HasSubstr("DRAINING"));
}

TEST_F(DrainVerb, ReloadSaysWhatBecameOfEach) {
  auto& changed = *daemon_.reloaded.add_results();
  changed.set_subject("listener/in");
  changed.set_is_changed(true);
  changed.set_disruptive(true);
  daemon_.reloaded.add_results()->set_subject("dialer/far");
  Answer answer = daemon_.Run({"reload"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(answer.out, "listener/in reloaded (its sessions ended)\ndialer/far unchanged\n");
  auto& failed = *daemon_.reloaded.add_results();
  failed.set_subject("listener/tls");
  failed.set_fault("spec.tls.certificate_file: is gone\x1b[31m");
  answer = daemon_.Run({"reload"});
  EXPECT_EQ(answer.code, 6);
  EXPECT_THAT(answer.err, HasSubstr("listener/tls: spec.tls.certificate_file: is gone"));
  EXPECT_EQ(answer.err.find('\x1b'), std::string::npos);
  daemon_.reloaded.Clear();
  EXPECT_EQ(daemon_.Run({"reload"}).out, "no object names files\n");
}

}  // namespace
}  // namespace culvert::cli
