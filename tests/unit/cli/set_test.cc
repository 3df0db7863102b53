// set, label and annotate: fields of objects that exist.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class SetTest : public testing::Test {
 protected:
  void SetUp() override {
    v1::Dialer& dialer = daemon_.dialers.emplace_back();
    dialer.mutable_metadata()->set_name("edge");
    dialer.mutable_metadata()->set_etag("\"1\"");
    (*dialer.mutable_metadata()->mutable_labels())["tier"] = "core";
    dialer.mutable_spec()->set_transport(v1::TRANSPORT_QUIC);
    dialer.mutable_spec()->add_targets("a:1");
    dialer.mutable_spec()->set_max_sessions(8);
  }
  v1::Dialer& dialer() { return daemon_.dialers[0]; }
  FakeDaemon daemon_;
};

TEST_F(SetTest, SendsWhatChangesAndNothingElse) {
  const Answer answer = daemon_.Run({"set", "dialer/edge", "max_sessions=16", "quic.idle_timeout=60s", "targets[1]=b:2", "labels.site=a"});
  EXPECT_EQ(answer.out, "dialer/edge configured (labels, targets, max_sessions, quic.idle_timeout)\n") << answer.err;
  EXPECT_EQ(answer.err, "");
  EXPECT_EQ(answer.code, 0);
  EXPECT_THAT(daemon_.last_mask, ElementsAre("metadata.labels", "spec.targets", "spec.max_sessions", "spec.quic.idle_timeout"));
  EXPECT_EQ(daemon_.last_change.dialer().metadata().etag(), "\"1\"");
  EXPECT_EQ(daemon_.last_change.dialer().spec().transport(), v1::TRANSPORT_UNSPECIFIED);
  EXPECT_EQ(dialer().spec().max_sessions(), 16u);
  EXPECT_EQ(dialer().spec().targets(1), "b:2");
  EXPECT_EQ(dialer().metadata().labels().size(), 2u);
  EXPECT_EQ(daemon_.Run({"set", "dl", "edge", "quic.idle_timeout=30s"}).out, "dialer/edge configured (quic.idle_timeout)\n");
}

TEST_F(SetTest, ClearsFields) {
  dialer().mutable_spec()->mutable_quic()->mutable_outer()->set_header(v1::PACKET_HEADER_SRTP);
  EXPECT_EQ(daemon_.Run({"set", "dl/edge", "quic.outer-"}).out, "dialer/edge configured (quic.outer)\n");
  EXPECT_TRUE(dialer().spec().has_quic());
  EXPECT_FALSE(dialer().spec().quic().has_outer());
  EXPECT_EQ(daemon_.Run({"set", "dl/edge", "quic-", "tls={}"}).out, "dialer/edge configured (tls, quic)\n");
  EXPECT_TRUE(dialer().spec().has_tls());
  EXPECT_FALSE(dialer().spec().has_quic());
  EXPECT_EQ(daemon_.Run({"set", "dl/edge", "max_sessions=", "labels.tier-"}).out, "dialer/edge configured (labels, max_sessions)\n");
  EXPECT_EQ(dialer().spec().max_sessions(), 0u);
  EXPECT_TRUE(dialer().metadata().labels().empty());
}

TEST_F(SetTest, AsksForNothingWhereNothingChanges) {
  EXPECT_EQ(daemon_.Run({"set", "dl/edge", "max_sessions=8", "labels.tier=core", "paused-"}).out, "dialer/edge unchanged\n");
  EXPECT_EQ(daemon_.changes, 0);
}

TEST_F(SetTest, ReadsAgainWhenSomebodyWasFaster) {
  daemon_.on_change = [this](const v1::Object&) {
    if (daemon_.changes == 1) {
      dialer().mutable_metadata()->set_etag("\"2\"");
      dialer().mutable_spec()->add_targets("theirs:1");
    }
    return grpc::Status::OK;
  };
  EXPECT_EQ(daemon_.Run({"set", "dl/edge", "max_sessions=16", "targets[0]=mine:1"}).code, 0);
  EXPECT_EQ(daemon_.changes, 2);
  EXPECT_EQ(dialer().spec().max_sessions(), 16u);
  EXPECT_THAT(dialer().spec().targets(), ElementsAre("mine:1", "theirs:1"));
}

TEST_F(SetTest, GivesUpAfterTheSecondConflict) {
  daemon_.on_change = [this](const v1::Object&) {
    dialer().mutable_metadata()->set_etag("\"" + std::to_string(daemon_.changes + 10) + "\"");
    return grpc::Status::OK;
  };
  const Answer answer = daemon_.Run({"set", "dl/edge", "max_sessions=16"});
  EXPECT_EQ(answer.code, 6);
  EXPECT_EQ(answer.err, "error: edge has changed (ETAG_MISMATCH)\n");
  EXPECT_EQ(daemon_.changes, 2);
  EXPECT_EQ(dialer().spec().max_sessions(), 8u);
}

TEST_F(SetTest, TakesSecretsFromFilesOnly) {
  const Answer refused = daemon_.Run({"set", "dl/edge", "quic.outer.key=hunter2"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_EQ(refused.err.find("hunter2"), std::string::npos);
  EXPECT_THAT(refused.err, HasSubstr("quic.outer.key: a secret on a command line can be seen by others: quic.outer.key=@FILE reads it"));
  EXPECT_EQ(daemon_.changes, 0);
  EXPECT_EQ(daemon_.Run({"set", "dl/edge", "quic.outer.key=@" + daemon_.Write("key", "hunter2\n")}).code, 0);
  EXPECT_EQ(daemon_.last_change.dialer().spec().quic().outer().key(), "hunter2");
  EXPECT_THAT(daemon_.Run({"set", "dl/edge", "quic.outer.key=@/nonexistent"}).err, HasSubstr("quic.outer.key: /nonexistent: No such file"));
  // What is not shown cannot be compared: clearing it is always asked for.
  daemon_.dialers[0].mutable_spec()->mutable_quic()->mutable_outer()->clear_key();
  EXPECT_EQ(daemon_.Run({"set", "dl/edge", "quic.outer.key-"}).out, "dialer/edge configured (quic.outer.key)\n");
  EXPECT_THAT(daemon_.last_mask, ElementsAre("spec.quic.outer.key"));
}

TEST_F(SetTest, ShowsWarningsAndDryRuns) {
  v1::Warning& warning = daemon_.warnings.emplace_back();
  warning.set_field("spec.max_sessions");
  warning.set_reason("ODD");
  warning.set_message("odd\x1b[31m");
  const Answer answer = daemon_.Run({"set", "dl/edge", "max_sessions=16", "--dry-run"});
  EXPECT_EQ(answer.out, "dialer/edge configured (max_sessions) (dry run)\n");
  EXPECT_EQ(answer.err, "warning: dialer/edge: spec.max_sessions: odd\\x1b[31m (ODD)\n");
  EXPECT_TRUE(daemon_.last_validate_only);
  EXPECT_EQ(dialer().spec().max_sessions(), 8u);
  EXPECT_EQ(daemon_.Run({"set", "dl/edge", "max_sessions=17", "-o", "name"}).out, "dialer/edge\n");
  EXPECT_THAT(daemon_.Run({"set", "dl/edge", "max_sessions=18", "-o", "yaml"}).out, HasSubstr("max_sessions: 18\n"));
}

// The daemon is asked what an apply of the changed object would do, and nothing else of that apply happens.
TEST_F(SetTest, SaysBeforehandThatSessionsAreClosed) {
  dialer().mutable_status()->mutable_counters()->set_active(3);
  int changes_before = -1;
  bool closes = true;
  daemon_.on_apply = [&](const v1::ApplyRequest&, v1::ApplyResponse* response) {
    changes_before = daemon_.changes;
    response->add_results()->set_disruptive(closes);
    return grpc::Status::OK;
  };
  const Answer dry = daemon_.Run({"set", "dl/edge", "targets=b:2", "--dry-run"});
  EXPECT_EQ(dry.err, "warning: dialer/edge: closes its sessions (3 now)\n");
  EXPECT_EQ(dry.out, "dialer/edge configured (targets) (dry run)\n");
  daemon_.changes = 0;
  const Answer answer = daemon_.Run({"set", "dl/edge", "targets=b:2"});
  EXPECT_EQ(answer.err, "warning: dialer/edge: closes its sessions (3 now)\n");
  EXPECT_EQ(answer.code, 0);
  EXPECT_EQ(changes_before, 0);
  EXPECT_EQ(daemon_.changes, 1);
  EXPECT_TRUE(daemon_.last_apply.validate_only());
  EXPECT_FALSE(daemon_.last_apply.prune());
  ASSERT_EQ(daemon_.last_apply.objects_size(), 1);
  const v1::Dialer& asked = daemon_.last_apply.objects(0).dialer();
  EXPECT_THAT(asked.spec().targets(), ElementsAre("b:2"));
  EXPECT_EQ(asked.spec().max_sessions(), 8u);
  EXPECT_EQ(asked.metadata().etag(), "");
  EXPECT_FALSE(asked.has_status());
  dialer().mutable_status()->mutable_counters()->clear_active();
  EXPECT_EQ(daemon_.Run({"set", "dl/edge", "targets=c:3"}).err, "warning: dialer/edge: closes its sessions (none now)\n");
  closes = false;
  EXPECT_EQ(daemon_.Run({"set", "dl/edge", "targets=d:4"}).err, "");
}

TEST_F(SetTest, AsksNotWhereNoSessionCanBeClosed) {
  daemon_.forwards.emplace_back().mutable_metadata()->set_name("pg");
  EXPECT_EQ(daemon_.Run({"set", "fwd/pg", "destination=a:1"}).code, 0);
  EXPECT_EQ(daemon_.Run({"set", "dl/edge", "labels.site=a"}).code, 0);
  EXPECT_EQ(daemon_.Run({"set", "dl/edge", "max_sessions=8"}).out, "dialer/edge unchanged\n");
  EXPECT_EQ(daemon_.applies, 0);
  // A secret that is cleared cannot be asked about: the daemon keeps what an apply leaves out.
  EXPECT_EQ(daemon_.Run({"set", "dl/edge", "quic.outer.key-"}).err, "warning: dialer/edge: closes its sessions (none now)\n");
  EXPECT_EQ(daemon_.applies, 0);
}

TEST_F(SetTest, ChangesAllTheSameWhereNobodyAnswersWhatIsClosed) {
  daemon_.on_apply = [](const v1::ApplyRequest&, v1::ApplyResponse*) {
    return ErrorWithDetails(grpc::StatusCode::PERMISSION_DENIED, "no", "ROLE_REQUIRED");
  };
  const Answer answer = daemon_.Run({"set", "dl/edge", "max_sessions=16"});
  EXPECT_EQ(answer.out, "dialer/edge configured (max_sessions)\n");
  EXPECT_EQ(answer.err, "");
  EXPECT_EQ(answer.code, 0);
}

TEST_F(SetTest, SaysWhatIsWrongBeforeAnythingIsAsked) {
  const std::pair<std::vector<std::string>, std::string> rows[] = {
      {{"set"}, "error: an object and at least one path=value are wanted"},
      {{"set", "dl/edge"}, "error: an object and at least one path=value are wanted"},
      {{"set", "dl", "edge"}, "error: an object and at least one path=value are wanted"},
      {{"set", "ses/a", "x=1"}, "error: only a listener, dialer or forward has fields to set"},
      {{"set", "dlr/edge", "x=1"}, "error: unknown kind \"dlr\" (did you mean dl?)"},
      {{"set", "dl/edge", "max_sessions"}, "error: \"max_sessions\" is not path=value, nor path- to clear it"},
      {{"set", "dl/edge", "=5"}, "error: \"=5\" has no path before \"=\""},
      {{"set", "dl/edge", "max_session=5"}, "error: max_session: unknown field (did you mean max_sessions?)"},
      {{"set", "dl/edge", "kcp.mtu=5"}, "error: spec.kcp.mtu: unknown field (did you mean mtu_bytes?)"},
      {{"set", "dl/edge", "status.state=ACTIVE"}, "error: status.state: set by the daemon"},
      {{"set", "dl/edge", "metadata.uid=x"}, "error: uid: set by the daemon"},
      {{"set", "dl/edge", "name=x"}, "error: name: an object keeps its name"},
      {{"set", "dl/edge", "metadata.name=x"}, "error: metadata.name: an object keeps its name"},
      {{"set", "dl/edge", "metadata.etag=x"}, "error: metadata.etag: set by the daemon"},
      {{"set", "dl/edge", "spec="}, "error: spec: has fields of its own, name one of them"},
      {{"set", "dl/edge", "max_sessions=many"}, "error: spec.max_sessions: \"many\" is not a whole number"},
      {{"set", "dl/edge", "transport=KPC"},
       "error: spec.transport: \"KPC\" is not one of TCP, UDP, KCP, QUIC (did you mean KCP?)"},
      {{"set", "dl/edge", "insecure=yes"}, "error: spec.insecure: \"yes\" is not true or false"},
      {{"set", "dl/edge", "a=1", "--dry-run=local"}, "error: set takes no --dry-run=local"},
      {{"set", "dl/edge", "a=1", "-o", "wide"}, "error: set does not print -o wide"},
  };
  for (const auto& [words, error] : rows) {
    const Answer answer = daemon_.Run(words);
    EXPECT_EQ(answer.err.substr(0, answer.err.find('\n')), error);
    EXPECT_EQ(answer.code, 2) << error;
    EXPECT_EQ(answer.out, "");
  }
  EXPECT_EQ(daemon_.changes, 0);
  EXPECT_EQ(daemon_.applies, 0);
  EXPECT_EQ(daemon_.Run({"set", "dl/nope", "max_sessions=1"}).code, 3);
}

TEST_F(SetTest, LabelsAndAnnotatesManyAtOnce) {
  daemon_.listeners.emplace_back().mutable_metadata()->set_name("in");
  EXPECT_EQ(daemon_.Run({"label", "dl/edge", "lsn/in", "site=a"}).out, "dialer/edge labeled\nlistener/in labeled\n");
  EXPECT_EQ(dialer().metadata().labels().at("site"), "a");
  EXPECT_EQ(dialer().metadata().labels().at("tier"), "core");
  EXPECT_THAT(daemon_.last_mask, ElementsAre("metadata.labels"));
  EXPECT_EQ(daemon_.Run({"label", "dl/edge", "site-", "never-"}).out, "dialer/edge labeled\n");
  EXPECT_EQ(dialer().metadata().labels().size(), 1u);
  EXPECT_EQ(daemon_.Run({"label", "dl/edge", "tier=core"}).out, "dialer/edge unchanged\n");
  EXPECT_EQ(daemon_.Run({"annotate", "dl", "edge", "owner=team db", "empty="}).out, "dialer/edge annotated\n");
  EXPECT_EQ(dialer().metadata().annotations().at("owner"), "team db");
  EXPECT_EQ(dialer().metadata().annotations().count("empty"), 1u);
}

TEST_F(SetTest, LabelOverwritesOnlyWhenTold) {
  const Answer refused = daemon_.Run({"label", "dl/edge", "tier=edge"});
  EXPECT_EQ(refused.code, 6);
  EXPECT_EQ(refused.err, "error: dialer/edge has the label tier=core already\nnext: --overwrite replaces it\n");
  EXPECT_EQ(daemon_.changes, 0);
  EXPECT_EQ(daemon_.Run({"label", "dl/edge", "tier=edge", "--overwrite"}).out, "dialer/edge labeled\n");
  EXPECT_EQ(dialer().metadata().labels().at("tier"), "edge");
}

TEST_F(SetTest, LabelChoosesBySelectorFilterOrAll) {
  EXPECT_EQ(daemon_.Run({"label", "dialers", "-l", "tier=core,!old,site!=b", "--filter", "state=ACTIVE", "site=a"}).out,
            "dialer/edge labeled\n");
  EXPECT_EQ(daemon_.last_filter,
            "(labels.\"tier\"=\"core\" AND NOT labels:\"old\" AND labels.\"site\"!=\"b\") AND (state=ACTIVE)");
  EXPECT_EQ(daemon_.Run({"label", "all", "--all", "x=1"}).out, "dialer/edge labeled\n");
  EXPECT_EQ(daemon_.Run({"label", "listeners", "--all", "x=1"}).err, "error: nothing matches\n");
  EXPECT_EQ(daemon_.Run({"label", "listeners", "--all", "x=1"}).code, 3);
}

TEST_F(SetTest, LabelSaysWhatIsWrong) {
  const std::pair<std::vector<std::string>, std::string> rows[] = {
      {{"label", "dl/edge"}, "error: key=value or key- is wanted"},
      {{"label", "dl/edge", "=a"}, "error: \"=a\" has no key"},
      {{"label", "dl/edge", "a=1", "a-"}, "error: \"a\" stands twice"},
      {{"label", "dl/edge", "a=1", "dl/other"}, "error: \"dl/other\" is not key=value or key-"},
      {{"label", "ses/a", "a=1"}, "error: label is for listeners, dialers and forwards"},
      {{"label", "dialers", "a=1"}, "error: a name is wanted: KIND/NAME or KIND NAME"},
      {{"label", "dl/edge", "a=1", "--all"}, "error: names go with neither --filter, -l nor --all"},
      {{"label", "dl", "a=1", "--all", "-l", "x"}, "error: --all goes with neither --filter nor -l"},
      {{"label", "dl", "a=1", "-l", "=x"}, "error: -l: \"=x\" is not KEY=VALUE, KEY!=VALUE, KEY or !KEY"},
      {{"label", "dl", "a=1", "-l", "a,,b"}, "error: -l: \"\" is not KEY=VALUE, KEY!=VALUE, KEY or !KEY"},
      {{"annotate", "dl", "a=1", "-l", "a\"b"}, "error: -l: \"a\"b\" is not KEY=VALUE, KEY!=VALUE, KEY or !KEY"},
  };
  for (const auto& [words, error] : rows) {
    const Answer answer = daemon_.Run(words);
    EXPECT_EQ(answer.err.substr(0, answer.err.find('\n')), error);
    EXPECT_EQ(answer.code, 2) << error;
  }
  EXPECT_EQ(daemon_.changes, 0);
}

TEST_F(SetTest, SaysWhereOnATerminal) {
  const std::string where = "context: unix:" + daemon_.socket() + "\n";
  EXPECT_EQ(daemon_.Run({"set", "dl/edge", "max_sessions=1"}, "", true).err, where);
  EXPECT_EQ(daemon_.Run({"label", "dl/edge", "a=1"}, "", true).err, where);
  EXPECT_EQ(daemon_.Run({"label", "dl/edge", "a=1", "-q"}, "", true).err, "");
  EXPECT_EQ(daemon_.Run({"get", "dl", "-o", "name"}, "", true).err, "");
  daemon_.out_is_terminal = true;
  EXPECT_EQ(daemon_.Run({"set", "dl/edge", "max_sessions=2"}).err, where);
}

}  // namespace
}  // namespace culvert::cli
