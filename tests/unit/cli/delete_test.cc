#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

using testing::ElementsAre;

class DeleteTest : public testing::Test {
 protected:
  void SetUp() override {
    daemon_.listeners.emplace_back().mutable_metadata()->set_name("local-pg");
    daemon_.dialers.emplace_back().mutable_metadata()->set_name("site-b");
    daemon_.forwards.emplace_back().mutable_metadata()->set_name("pg");
  }
  FakeDaemon daemon_;
};

TEST_F(DeleteTest, TakesForwardsFirst) {
  const Answer answer = daemon_.Run({"delete", "lsn/local-pg", "dl/site-b", "fwd/pg"});
  EXPECT_EQ(answer.out, "forward/pg deleted\ndialer/site-b deleted\nlistener/local-pg deleted\n");
  EXPECT_EQ(answer.code, 0);
}

TEST_F(DeleteTest, TakesTheObjectsOfAFile) {
  const std::string file =
      daemon_.Write("t.yaml",
                    "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: local-pg}\nspec: {}\n---\n"
                    "apiVersion: culvert/v1\nkind: Forward\nmetadata: {name: pg}\nspec: {}\n");
  EXPECT_EQ(daemon_.Run({"delete", "-f", file}).code, 0);
  EXPECT_THAT(daemon_.deleted, ElementsAre("forward/pg", "listener/local-pg"));
}

TEST_F(DeleteTest, AsksOnATerminalBeforeSeveralGo) {
  const Answer no = daemon_.Run({"delete", "lsn/local-pg", "fwd/pg"}, "n\n", true);
  EXPECT_EQ(no.code, 1);
  EXPECT_NE(no.err.find("delete these 2 objects? [y/N]"), std::string::npos);
  EXPECT_TRUE(daemon_.deleted.empty());
  EXPECT_EQ(daemon_.Run({"delete", "lsn/local-pg", "fwd/pg"}, "", true).code, 1);
  EXPECT_EQ(daemon_.Run({"delete", "lsn/local-pg", "fwd/pg"}, "y\n", true).code, 0);
  EXPECT_EQ(daemon_.Run({"delete", "lsn/local-pg", "fwd/pg", "--yes"}, "", true).code, 0);
  EXPECT_EQ(daemon_.Run({"delete", "lsn/local-pg"}, "", true).code, 0);
}

TEST_F(DeleteTest, MayLetThingsEnd) {
  EXPECT_EQ(daemon_.Run({"delete", "lsn/local-pg", "--drain-timeout", "90s"}).code, 0);
  EXPECT_EQ(daemon_.drain_timeout.seconds(), 90);
  for (const char* wrong : {"soon", "-1s", "2h"}) {
    const Answer answer = daemon_.Run({"delete", "lsn/local-pg", "--drain-timeout", wrong});
    EXPECT_EQ(answer.code, 2);
    EXPECT_NE(answer.err.find("--drain-timeout"), std::string::npos) << answer.err;
  }
}

TEST_F(DeleteTest, SaysHowToForce) {
  daemon_.on_delete = [](const std::string&, bool force) {
    if (force) return grpc::Status::OK;
    return ErrorWithDetails(grpc::StatusCode::FAILED_PRECONDITION, "listener/local-pg is used by forward/pg",
                            "RESOURCE_IN_USE");
  };
  const Answer answer = daemon_.Run({"delete", "lsn/local-pg"});
  EXPECT_EQ(answer.err,
            "error: listener/local-pg is used by forward/pg (RESOURCE_IN_USE)\n"
            "next: culvertctl delete listener/local-pg --force    deletes the forwards that use it too\n");
  EXPECT_EQ(answer.code, 6);
  EXPECT_EQ(daemon_.Run({"delete", "lsn/local-pg", "--force"}).code, 0);
}

TEST_F(DeleteTest, GoesOnBehindOneThatIsMissing) {
  const Answer answer = daemon_.Run({"delete", "fwd/nope", "lsn/local-pg"});
  EXPECT_EQ(answer.out, "listener/local-pg deleted\n");
  EXPECT_EQ(answer.err, "error: forward/nope does not exist (RESOURCE_NOT_FOUND)\n");
  EXPECT_EQ(answer.code, 3);
}

TEST_F(DeleteTest, MayIgnoreWhatIsMissing) {
  const Answer answer = daemon_.Run({"delete", "fwd/nope", "--ignore-not-found"});
  EXPECT_EQ(answer.out, "");
  EXPECT_EQ(answer.err, "forward/nope is not there\n");
  EXPECT_EQ(answer.code, 0);
}

TEST_F(DeleteTest, RefusesUnclearRequests) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"delete"},
                                                {"delete", "lsn"},
                                                {"delete", "all"},
                                                {"delete", "fwd/pg", "-f", "x"}}) {
    EXPECT_EQ(daemon_.Run(words).code, 2);
  }
  EXPECT_TRUE(daemon_.deleted.empty());
}

TEST_F(DeleteTest, ChoosesBySelectorFilterOrAll) {
  EXPECT_EQ(daemon_.Run({"delete", "forwards", "-l", "tier=test"}).out, "forward/pg deleted\n");
  EXPECT_EQ(daemon_.last_filter, "labels.\"tier\"=\"test\"");
  EXPECT_EQ(daemon_.Run({"delete", "all", "--all", "--yes"}).out, "forward/pg deleted\ndialer/site-b deleted\nlistener/local-pg deleted\n");
  EXPECT_EQ(daemon_.Run({"delete", "all", "--all", "--no-input"}).code, 2);
  daemon_.forwards.clear();
  const Answer none = daemon_.Run({"delete", "forwards", "--filter", "paused=true"});
  EXPECT_EQ(none.code, 3);
  EXPECT_EQ(none.err, "error: nothing matches: paused=true\n");
  EXPECT_EQ(daemon_.Run({"delete", "forwards", "--filter", "paused=true", "--ignore-not-found"}).code, 0);
}

TEST_F(DeleteTest, RefusesToAskWithoutInput) {
  const Answer answer = daemon_.Run({"delete", "lsn/local-pg", "fwd/pg", "--no-input"}, "y\n", true);
  EXPECT_EQ(answer.code, 2);
  EXPECT_NE(answer.err.find("error: delete these 2 objects: nobody may be asked\nnext: --yes goes on without asking\n"), std::string::npos)
      << answer.err;
  EXPECT_TRUE(daemon_.deleted.empty());
  EXPECT_EQ(daemon_.Run({"delete", "lsn/local-pg", "fwd/pg", "--no-input", "--yes"}).code, 0);
}

TEST_F(DeleteTest, WaitsUntilTheyAreGone) {
  v1::WatchResponse there, complete, gone;
  there.mutable_change()->set_type(v1::WatchResponse::Change::TYPE_ADDED);
  there.mutable_change()->mutable_object()->mutable_forward()->mutable_metadata()->set_name("pg");
  complete.mutable_bookmark()->set_snapshot_complete(true);
  gone = there;
  gone.mutable_change()->set_type(v1::WatchResponse::Change::TYPE_DELETED);
  daemon_.watched = {there, complete, gone};
  EXPECT_EQ(daemon_.Run({"delete", "fwd/pg", "--wait"}).out, "forward/pg deleted\n");
  EXPECT_EQ(daemon_.watches, 1);
  daemon_.watched = {there, complete};
  const Answer late = daemon_.Run({"delete", "fwd/pg", "--wait", "--timeout", "0s"});
  EXPECT_EQ(late.code, 7);
  EXPECT_EQ(late.err, "error: timed out after 0s: forward/pg is still there\n");
}

TEST(Delete, ClosesWhatIsObserved) {
  FakeDaemon daemon;
  EXPECT_EQ(daemon.Run({"delete", "ses/a"}).out, "session/a closed\n");
  EXPECT_EQ(daemon.Run({"delete", "str/a/4", "udp/3"}).out, "stream/a/4 closed\nudpflow/3 closed\n");
  daemon.sessions.resize(3);
  EXPECT_EQ(daemon.Run({"delete", "ses", "--filter", "remote:203.0.113.0/24", "--dry-run"}).out, "3 sessions would be closed\n");
  EXPECT_TRUE(daemon.last_close.validate_only());
  EXPECT_EQ(daemon.last_close.filter(), "remote:203.0.113.0/24");
  EXPECT_EQ(daemon.Run({"delete", "ses", "--filter", "remote:203.0.113.0/24"}).out, "3 sessions closed\n");
  EXPECT_FALSE(daemon.last_close.validate_only());
}

TEST(Delete, RefusesWhatDoesNotGoWithWhatIsObserved) {
  FakeDaemon daemon;
  const std::pair<std::vector<std::string>, std::string> rows[] = {
      {{"delete", "ev/4"}, "error: events are not deleted"},
      {{"delete", "ses/a", "dl/b"}, "error: what is declared and what is observed are not deleted together"},
      {{"delete", "ses/a", "--force"},
       "error: a session is closed; --force, --ignore-not-found, --all and --drain-timeout are for what is declared"},
      {{"delete", "ses", "-l", "a=b"}, "error: -l: sessions have no labels"},
      {{"delete", "ses"}, "error: a name is wanted: KIND/NAME or KIND NAME"},
      {{"delete", "ses/a", "-o", "name"}, "error: -o name is for what is declared"},
      {{"delete", "-f", "x", "--filter", "a=b"}, "error: -f goes with neither --filter, -l nor --all"},
      {{"delete", "dl/b", "--wait", "--timeout", "never"},
       "error: --timeout: \"never\" is not a duration: write a number with a unit, e.g. 50ms, 10s, 2m, 1h"},
  };
  for (const auto& [words, error] : rows) {
    const Answer answer = daemon.Run(words);
    EXPECT_EQ(answer.err.substr(0, answer.err.find('\n')), error);
    EXPECT_EQ(answer.code, 2) << error;
  }
  EXPECT_TRUE(daemon.closes.empty());
  EXPECT_TRUE(daemon.deleted.empty());
}

}  // namespace
}  // namespace culvert::cli
